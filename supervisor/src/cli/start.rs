//! `lockgate start`: set up what is missing, then serve.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use lockgate_config::{Address, Config, Home};

use super::Failure;
use super::places::Places;
use crate::banner::Banner;
use crate::certificates::OwnCertificates;
use crate::entrance::{self, EntranceError};
use crate::environment::Environment;
use crate::lock::Lock;
use crate::logging::Logging;
use crate::notify::{Notifier, watchdog};
use crate::reach::Reach;
use crate::setup::{Prepared, Wish, prepare, prepare_directories};
use crate::source::{LISTEN_VARIABLE, Source};
use crate::supervise::child::{Child, Role, Setting};
use crate::supervise::generation::Generation;
use crate::supervise::hand_over::{Cause, Successor, registry_socket};
use crate::supervise::renewal::Renewal;
use crate::supervise::signals::Signals;
use crate::supervise::sockets::Socket;
use crate::supervise::state::Life;
use crate::supervise::upgrade::own_path;
use crate::supervise::will::Will;
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
        Some(will) => take_over(ground, will)?.run(|| {})?,
        None => {
            let (supervisor, banner) = begin(ground)?;
            supervisor.run(|| {
                let took_ms = began.elapsed().as_millis() as u64;
                tracing::info!(took_ms, "serving {}", banner.reach);
                // A closed stdout is no reason to stop.
                let _ = write!(std::io::stdout(), "{banner}").and_then(|()| std::io::stdout().flush());
            })?;
        }
    }
    Ok(())
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

/// What children are started with, and what is told of it.
struct Equipment {
    source: Source,
    config: Config,
    setting: Setting,
    entrances: Vec<Socket>,
    banner: Banner,
}

/// Both children are due to be started.
fn begin(ground: Ground<'_>) -> Result<(Supervisor, Banner), Failure> {
    let Equipment {
        source,
        config,
        setting,
        entrances,
        banner,
    } = equip(&ground, None)?;
    let plan = plan(ground, source, config, &banner.reach);
    let registry = registry_socket(&plan.home, &plan.home.registry_socket())?;
    let ears = Ears::open(&plan.home)?;
    let now = Instant::now();
    let children = [
        Child::new(Role::Proxy, entrances, Life::new(now)),
        Child::new(Role::Registry, vec![registry], Life::new(now)),
    ];
    let supervisor = Supervisor::new(plan, ears, Generation::new(1, setting, children));
    Ok((supervisor, banner))
}

/// The children of the binary before serve until those of this one do; and they go on when something stands in the way.
fn take_over(ground: Ground<'_>, will: Will) -> Result<Supervisor, Failure> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "this binary has taken over");
    let equipped = equip(&ground, Some(&will));
    let in_force = in_force(&ground, &will)?;
    let home = ground.home.clone();
    let listened = will.current.entrances().first().map(|socket| socket.address.clone());
    let reach = reach(&in_force.config, &ground, listened.as_ref());
    ground.logging.reload(&in_force.config.log, &ground.home.log());
    let plan = plan(ground, in_force.source, in_force.config, &reach);
    let current = will.current.adopt(&in_force.setting);
    let leaving = will
        .leaving
        .into_iter()
        .map(|heir| heir.adopt(&in_force.setting))
        .collect();
    let next = equipped.map_err(|failure| failure.to_string()).and_then(|equipment| {
        let new = (equipment.config, equipment.setting);
        Successor::new(&home, current.number, new, equipment.entrances, Cause::Upgrade)
            .map_err(|error| error.to_string())
    });
    let ears = Ears::adopt(&home, will.notify, will.control);
    Ok(Supervisor::new(plan, ears, current).taking_over(leaving, next, will.started))
}

fn equip(ground: &Ground<'_>, will: Option<&Will>) -> Result<Equipment, Failure> {
    let (home, wishes) = (&ground.home, ground.wishes);
    let mut prepared = prepare(&wishes.wish(home, true, ground.environment))?;
    ground.logging.reload(&prepared.accepted.config.log, &home.log());
    for warning in &prepared.accepted.config.warnings {
        tracing::warn!("{warning}");
    }
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
    let config = prepared.accepted.config;
    let variables = overridden.then(|| (LISTEN_VARIABLE.to_owned(), address.to_string()));
    Ok(Equipment {
        banner: Banner {
            reach: reach(&config, ground, Some(&address)),
            account: prepared.account,
            password_file: home.password_file(),
            authority: prepared.certificates.as_ref().map(|_| home.ca_certificate()),
        },
        setting: setting(
            &prepared.source,
            home,
            variables.into_iter().collect(),
            prepared.accepted.text,
        ),
        source: prepared.source,
        config,
        entrances,
    })
}

fn entrances(prepared: &mut Prepared, will: Option<&Will>, ground: &Ground<'_>) -> Result<Vec<Socket>, EntranceError> {
    match will {
        Some(will) => entrance::open(&prepared.accepted.config.http, will.current.entrances()),
        None => {
            let handed_down = entrance::handed_down(prepared, ground.environment)?;
            entrance::open_first(&prepared.accepted.config.http, &handed_down, ground.lock.after_crash)
        }
    }
}

/// What the children of the binary before run with.
struct InForce {
    source: Source,
    config: Config,
    setting: Setting,
}

fn in_force(ground: &Ground<'_>, will: &Will) -> Result<InForce, Failure> {
    let path = ground.wishes.places.config_file(ground.environment);
    let listen = will.variables.iter().find(|(name, _)| name == LISTEN_VARIABLE);
    let source = Source::new(path, ground.environment, listen.map(|(_, address)| address.as_str()));
    let accepted = source.accept(will.configuration.clone())?;
    Ok(InForce {
        setting: setting(&source, &ground.home, will.variables.clone(), accepted.text),
        source,
        config: accepted.config,
    })
}

fn plan(ground: Ground<'_>, source: Source, config: Config, reach: &Reach) -> Plan {
    Plan {
        renewal: Renewal::new(&config, &ground.home, &ground.wishes.hostnames),
        home: ground.home,
        lock: ground.lock,
        signals: ground.signals,
        logging: ground.logging,
        source,
        config,
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

/// `variables`: what overrides the file.
fn setting(source: &Source, home: &Home, variables: Vec<(String, String)>, configuration: String) -> Setting {
    let path = source.path();
    Setting {
        arguments: ["--config".into(), path.into(), "--home".into(), home.root().into()].into(),
        variables,
        configuration,
    }
}
