//! `lockgate start`: set up what is missing, then serve.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use lockgate_config::{Address, Home};

use super::Failure;
use super::places::Places;
use crate::banner::Banner;
use crate::confine::{self, Rules};
use crate::entrance::{self, EntranceError};
use crate::environment::Environment;
use crate::handed::{Handed, localized};
use crate::lock::Lock;
use crate::logging::Logging;
use crate::notify::{Notifier, watchdog};
use crate::reach::Reach;
use crate::setup::{Prepared, Wish, prepare, prepare_directories};
use crate::source::LISTEN_VARIABLE;
use crate::supervise::acme::Orders;
use crate::supervise::child::{Child, Role, Setting};
use crate::supervise::generation::Generation;
use crate::supervise::hand_over::{Cause, Successor, registry_socket};
use crate::supervise::renewal::Renewal;
use crate::supervise::signals::Signals;
use crate::supervise::sockets::{Socket, remove_stale};
use crate::supervise::state::Life;
use crate::supervise::upgrade::own_path;
use crate::supervise::will::{self, Will};
use crate::supervise::{Ears, Plan, SuperviseError, Supervisor};

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
    let mut prepared = prepare(&wishes.wish(&home, true, environment))?;
    logging.reload(&prepared.accepted.config.log, &home.log());
    prepared
        .accepted
        .config
        .warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    prepared.tell(|line| tracing::warn!("{line}"));
    if let Some(reason) = &prepared.issued {
        tracing::info!("issued a certificate: {reason}");
    }

    let entrances = entrances(&mut prepared, will.as_ref(), environment, lock.after_crash)?;
    let address = entrances[0].address.clone();
    let overridden = wishes.listen.is_some() || address != prepared.accepted.config.http.addr;
    if overridden {
        prepared.source = prepared.source.with_listen(&address.to_string());
        prepared.accepted = prepared.source.accept(prepared.accepted.text)?;
    }
    let reach = reach(&prepared, wishes, &address);
    let proxy = prepared.decided.users().map(|users| users.proxy.owner());
    let orders = Orders::new(&prepared.accepted.config, &home, proxy);
    let handed = Handed::over_to(prepared.decided.users(), &prepared.accepted.config, &home)?;
    let mut setting = setting(&prepared, &home, overridden.then_some(&address), handed.as_ref());
    setting.variables.extend(handed.as_ref().map(Handed::variable));
    let banner = Banner {
        certificate_problem: orders.problem(),
        reach: reach.clone(),
        account: prepared.account,
        password_file: home.password_file(),
        authority: prepared.certificates.as_ref().map(|_| home.ca_certificate()),
    };
    let plan = Plan {
        orders,
        renewal: Renewal::new(&prepared.accepted.config, &home, &wishes.hostnames).read_by(proxy),
        handed,
        home,
        lock,
        signals,
        logging,
        source: prepared.source,
        config: prepared.accepted.config,
        binary: own_path(),
        manager: Notifier::from_environment(environment).unwrap_or_default(),
        manager_watchdog: watchdog(environment),
        url: reach.to_string(),
    };
    let supervisor = match will {
        Some(will) => take_over(will, plan, setting, entrances)?,
        None => begin(plan, setting, entrances)?,
    };
    confine::enter_supervisor().map_err(|error| Failure::new(format!("cannot give up capabilities: {error}")))?;
    supervisor.run(|| {
        tracing::info!(took_ms = began.elapsed().as_millis() as u64, "serving {reach}");
        // A closed stdout is no reason to stop.
        let _ = write!(std::io::stdout(), "{banner}").and_then(|()| std::io::stdout().flush());
    })?;
    Ok(())
}

fn entrances(
    prepared: &mut Prepared,
    will: Option<&Will>,
    environment: &Environment,
    after_crash: bool,
) -> Result<Vec<Socket>, EntranceError> {
    match will {
        Some(will) => entrance::open(&prepared.accepted.config.http, will.current.entrances()),
        None => {
            let handed_down = entrance::handed_down(prepared, environment)?;
            entrance::open_first(&prepared.accepted.config.http, &handed_down, after_crash)
        }
    }
}

fn reach(prepared: &Prepared, wishes: &Wishes, address: &Address) -> Reach {
    let hosts = prepared
        .certificates
        .as_ref()
        .map_or(wishes.hostnames.as_slice(), |own| own.hosts());
    Reach::of(&prepared.accepted.config, hosts, address)
}

/// `listen`: the address that overrides the file's.
fn setting(prepared: &Prepared, home: &Home, listen: Option<&Address>, handed: Option<&Handed>) -> Setting {
    let path = prepared.source.path();
    Setting {
        arguments: ["--config".into(), path.into(), "--home".into(), home.root().into()].into(),
        variables: listen
            .map(|address| (LISTEN_VARIABLE.to_owned(), address.to_string()))
            .into_iter()
            .collect(),
        configuration: prepared.accepted.text.clone(),
        users: prepared.decided.users().cloned(),
        rules: Rules::of_both(&localized(&prepared.accepted.config, handed), home),
    }
}

/// Both children are due to be started.
fn begin(plan: Plan, setting: Setting, entrances: Vec<Socket>) -> Result<Supervisor, SuperviseError> {
    let path = plan.home.registry_socket();
    // This home is locked, so whoever still listens there was left by a crash and finishes what it has. What cannot be
    // removed is told of next.
    let _ = remove_stale(&path);
    let registry = registry_socket(&plan.home, &path)?;
    let ears = Ears::open(&plan.home)?;
    let now = Instant::now();
    let children = [
        Child::new(Role::Proxy, entrances, Life::new(now)),
        Child::new(Role::Registry, vec![registry], Life::new(now)),
    ];
    Ok(Supervisor::new(plan, ears, Generation::new(1, setting, children)))
}

/// The children of the binary before serve until those of this one do.
fn take_over(will: Will, plan: Plan, setting: Setting, entrances: Vec<Socket>) -> Result<Supervisor, SuperviseError> {
    let current = will.current.adopt(&setting);
    let leaving = will.leaving.into_iter().map(|heir| heir.adopt(&setting)).collect();
    let in_force = (plan.config.clone(), setting);
    let next = Successor::new(&plan.home, current.number, in_force, entrances, Cause::Upgrade)?;
    let ears = Ears::adopt(&plan.home, will.notify, will.control);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "this binary has taken over");
    Ok(Supervisor::new(plan, ears, current).taking_over(leaving, next, will.started))
}
