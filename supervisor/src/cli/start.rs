//! `lockgate start`: set up what is missing, then serve.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use lockgate_config::{Address, Config, Home};

use super::Failure;
use super::places::Places;
use crate::banner::Banner;
use crate::certificates::OwnCertificates;
use crate::confine::users::{self, Decided};
use crate::confine::{self, Rules};
use crate::entrance::{self, EntranceError};
use crate::environment::Environment;
use crate::handed::{Handed, localized};
use crate::lock::Lock;
use crate::logging::Logging;
use crate::notify::{Notifier, watchdog};
use crate::reach::Reach;
use crate::setup::{Prepared, SetupError, Wish, prepare, prepare_directories, tree};
use crate::source::{Accepted, LISTEN_VARIABLE, Source};
use crate::supervise::acme::Orders;
use crate::supervise::child::{Setting, pair_of};
use crate::supervise::generation::Generation;
use crate::supervise::hand_over::{Cause, Successor, registry_socket};
use crate::supervise::renewal::Renewal;
use crate::supervise::signals::Signals;
use crate::supervise::sockets::{Socket, remove_stale};
use crate::supervise::state::Life;
use crate::supervise::upgrade::own_path;
use crate::supervise::will::{self, Will};
use crate::supervise::{Ears, Plan, Supervisor};

/// Sets up what is missing, then serves until stopped: the front door, and the registry behind it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wishes: Wishes,
}

/// What `start` and `setup` take.
#[derive(Debug, Args)]
pub(super) struct Wishes {
    #[command(flatten)]
    pub(super) places: Places,
    /// Where to listen: host:port or :port [default: the configuration's; for a new one :443, else :5443]
    #[arg(long, value_name = "ADDR")]
    listen: Option<Address>,
    /// A name that clients use; can be given several times
    #[arg(long = "hostname", value_name = "NAME")]
    hostnames: Vec<String>,
    /// As root: give the data directory to the user that the registry runs as
    #[arg(long)]
    chown: bool,
}

impl Wishes {
    /// `serve`: whether it will be listened.
    pub(super) fn wish<'a>(&'a self, home: &'a Home, serve: bool, environment: &'a Environment) -> Wish<'a> {
        Wish {
            home,
            config: self
                .places
                .config
                .as_ref()
                .map(|_| self.places.config_file(environment)),
            listen: self.listen.clone(),
            hostnames: &self.hostnames,
            // Once: the binary that takes over in the same process has the same arguments.
            chown: self.chown && !will::is_written(environment),
            serve,
            environment,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let began = Instant::now();
    let wishes = &arguments.wishes;
    let signals = Signals::block().map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
    let logging = Logging::start("supervisor");
    let will =
        Will::open(environment).map_err(|error| Failure::new(format!("what the binary before left: {error}")))?;
    let home = wishes.places.home(environment);
    prepare_directories(&home)?;
    let lock = match &will {
        Some(will) => Lock::adopt(&home.pid_file(), &will.lock)?,
        None => Lock::take(&home.pid_file())?,
    };
    let ground = Ground {
        wishes,
        environment,
        home,
        lock,
        signals,
        logging,
    };
    match will {
        Some(will) => confined(take_over(ground, will)?)?.run(|| {})?,
        None => {
            let (supervisor, banner) = begin(ground)?;
            confined(supervisor)?.run(|| {
                let took_ms = began.elapsed().as_millis() as u64;
                tracing::info!(took_ms, "serving {}", banner.reach);
                // A closed stdout is no reason to stop.
                let _ = write!(std::io::stdout(), "{banner}").and_then(|()| std::io::stdout().flush());
            })?;
        }
    }
    Ok(())
}

fn confined(supervisor: Supervisor) -> Result<Supervisor, Failure> {
    confine::enter_supervisor().map_err(|error| Failure::new(format!("cannot give up capabilities: {error}")))?;
    Ok(supervisor)
}

/// What is there before any configuration is read.
struct Ground<'a> {
    wishes: &'a Wishes,
    environment: &'a Environment,
    home: Home,
    lock: Lock,
    signals: Signals,
    logging: Logging,
}

/// A configuration, and what children are started with by it.
struct Equipment {
    source: Source,
    config: Config,
    setting: Setting,
    handed: Option<Handed>,
}

/// Both children are due to be started.
fn begin(ground: Ground<'_>) -> Result<(Supervisor, Banner), Failure> {
    let (equipment, entrances, mut banner) = equip(&ground, None)?;
    let setting = equipment.setting.clone();
    let plan = plan(ground, equipment, &banner.reach);
    banner.certificate_problem = plan.orders.problem();
    let path = plan.home.registry_socket();
    // This home is locked, so whoever still listens there was left by a crash and finishes what it has. What cannot be
    // removed is told of next.
    let _ = remove_stale(&path);
    let registry = registry_socket(&plan.home, &path)?;
    let ears = Ears::open(&plan.home)?;
    let now = Instant::now();
    let children = pair_of(entrances, registry, [Life::new(now), Life::new(now)]);
    let supervisor = Supervisor::new(plan, ears, Generation::new(1, setting, children));
    Ok((supervisor, banner))
}

/// The children of the binary before serve until those of this one do; and they go on when something stands in the way.
fn take_over(ground: Ground<'_>, will: Will) -> Result<Supervisor, Failure> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "this binary has taken over");
    let equipped = equip(&ground, Some(&will));
    let mut in_force = in_force(&ground, &will)?;
    let setting = in_force.setting.clone();
    ground.logging.reload(&in_force.config.log, &ground.home.log());
    let current = will.current.adopt(&setting);
    let leaving = will.leaving.into_iter().map(|heir| heir.adopt(&setting)).collect();
    let next = equipped
        .map_err(|failure| failure.to_string())
        .and_then(|(equipment, entrances, _)| {
            in_force.handed = equipment.handed;
            let new = (equipment.config, equipment.setting);
            Successor::new(&ground.home, current.number, new, entrances, Cause::Upgrade)
                .map_err(|error| error.to_string())
        });
    let listened = current.children[0].sockets.first().map(|socket| socket.address.clone());
    let reach = reach(&in_force.config, &ground, listened.as_ref());
    let ears = Ears::adopt(&ground.home, will.notify, will.control);
    let plan = plan(ground, in_force, &reach);
    Ok(Supervisor::new(plan, ears, current).taking_over(leaving, next, will.started))
}

/// Makes what is missing, and opens what is to be listened on.
fn equip(ground: &Ground<'_>, will: Option<&Will>) -> Result<(Equipment, Vec<Socket>, Banner), Failure> {
    let (home, wishes) = (&ground.home, ground.wishes);
    let mut prepared = prepare(&wishes.wish(home, true, ground.environment))?;
    ground.logging.reload(&prepared.accepted.config.log, &home.log());
    for warning in &prepared.accepted.config.warnings {
        tracing::warn!("{warning}");
    }
    prepared.tell(|line| tracing::warn!("{line}"));
    if let Some(reason) = &prepared.issued {
        tracing::info!("issued a certificate: {reason}");
    }
    let entrances = entrances(&mut prepared, will, ground)?;
    let address = entrances[0].address.clone();
    let overridden = wishes.listen.is_some() || address != prepared.accepted.config.http.addr;
    if overridden {
        prepared.source = prepared.source.with_listen(&address.to_string());
        prepared.accepted = prepared.source.accept(prepared.accepted.text)?;
    }
    let banner = Banner {
        certificate_problem: None,
        reach: reach(&prepared.accepted.config, ground, Some(&address)),
        account: prepared.account,
        password_file: home.password_file(),
        authority: prepared.certificates.as_ref().map(|_| home.ca_certificate()),
    };
    let listen = overridden.then_some(&address);
    let equipment = equipment(home, prepared.source, prepared.accepted, listen, &prepared.decided)?;
    Ok((equipment, entrances, banner))
}

fn entrances(prepared: &mut Prepared, will: Option<&Will>, ground: &Ground<'_>) -> Result<Vec<Socket>, EntranceError> {
    match will {
        Some(will) => entrance::open(&prepared.accepted.config.http, &will.current.entrances()),
        None => {
            let handed_down = entrance::handed_down(prepared, ground.environment)?;
            entrance::open_first(
                &prepared.accepted.config.http,
                &handed_down.iter().collect::<Vec<_>>(),
                ground.lock.after_crash,
            )
        }
    }
}

/// What the children of the binary before run with.
fn in_force(ground: &Ground<'_>, will: &Will) -> Result<Equipment, Failure> {
    let listen = will.listen.as_ref();
    let text = listen.map(ToString::to_string);
    let path = ground.wishes.places.config_file(ground.environment);
    let source = Source::new(path, ground.environment, text.as_deref());
    let accepted = source.accept(will.configuration.clone())?;
    let tree = tree::found(&accepted.config.storage.root);
    let decided = users::decide(&accepted.config, &ground.home, tree.as_ref()).map_err(SetupError::from)?;
    equipment(&ground.home, source, accepted, listen, &decided)
}

/// `listen`: the address that overrides the file's.
fn equipment(
    home: &Home,
    source: Source,
    accepted: Accepted,
    listen: Option<&Address>,
    decided: &Decided,
) -> Result<Equipment, Failure> {
    let path = source.path();
    let handed = Handed::over_to(decided.owners().as_ref(), &accepted.config, home)?;
    let listen = listen.map(|address| (LISTEN_VARIABLE.to_owned(), address.to_string()));
    let setting = Setting {
        arguments: ["--config".into(), path.into(), "--home".into(), home.root().into()].into(),
        variables: listen
            .into_iter()
            .chain(handed.as_ref().map(Handed::variable))
            .collect(),
        configuration: accepted.text,
        users: decided.users().cloned(),
        rules: Rules::of_both(&localized(&accepted.config, handed.as_ref()), home),
    };
    Ok(Equipment {
        source,
        config: accepted.config,
        setting,
        handed,
    })
}

fn plan(ground: Ground<'_>, equipment: Equipment, reach: &Reach) -> Plan {
    let proxy = equipment.setting.users.as_ref().map(|users| users.proxy.owner());
    Plan {
        orders: Orders::new(&equipment.config, &ground.home, proxy),
        renewal: Renewal::new(&equipment.config, &ground.home, &ground.wishes.hostnames).read_by(proxy),
        handed: equipment.handed,
        home: ground.home,
        lock: ground.lock,
        signals: ground.signals,
        logging: ground.logging,
        source: equipment.source,
        config: equipment.config,
        binary: own_path(),
        manager: Notifier::from_environment(ground.environment).unwrap_or_default(),
        manager_watchdog: watchdog(ground.environment),
        url: reach.to_string(),
    }
}

fn reach(config: &Config, ground: &Ground<'_>, listened: Option<&Address>) -> Reach {
    let own = OwnCertificates::of(config, &ground.home, &ground.wishes.hostnames);
    let hosts = own
        .as_ref()
        .map_or(ground.wishes.hostnames.as_slice(), |own| own.hosts());
    Reach::of(config, hosts, listened.unwrap_or(&config.http.addr))
}
