//! `lockgate start`: set up what is missing, then serve.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use lockgate_config::{Address, Home};

use super::Failure;
use super::places::Places;
use crate::banner::Banner;
use crate::entrance::Entrances;
use crate::environment::Environment;
use crate::lock::Lock;
use crate::logging::Logging;
use crate::notify::{Notifier, watchdog};
use crate::reach::Reach;
use crate::serve::REGISTRY_NAME;
use crate::setup::{Prepared, Wish, prepare, prepare_directories};
use crate::source::LISTEN_VARIABLE;
use crate::supervise::child::{Child, Role, Setting};
use crate::supervise::renewal::Renewal;
use crate::supervise::signals::Signals;
use crate::supervise::sockets::{SocketError, listen_unix};
use crate::supervise::{Plan, Supervisor};

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
    let home = wishes.places.home(environment);
    prepare_directories(&home)?;
    let lock = Lock::take(&home.pid_file())?;
    let mut prepared = prepare(&wishes.wish(&home, true, environment))?;
    logging.reload(&prepared.accepted.config.log, &home.log());
    prepared
        .accepted
        .config
        .warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    if let Some(reason) = &prepared.issued {
        tracing::info!("issued a certificate: {reason}");
    }

    let entrances = Entrances::open(&mut prepared, environment, lock.after_crash)?;
    let overridden = wishes.listen.is_some() || entrances.address != prepared.accepted.config.http.addr;
    if overridden {
        prepared.source = prepared.source.with_listen(&entrances.address.to_string());
        prepared.accepted = prepared.source.accept(prepared.accepted.text)?;
    }
    let reach = reach(&prepared, wishes, &entrances.address);
    let setting = setting(&prepared, &home, overridden.then_some(&entrances.address));
    let banner = Banner {
        reach: reach.clone(),
        account: prepared.account,
        password_file: home.password_file(),
        authority: prepared.certificates.as_ref().map(|_| home.ca_certificate()),
    };
    let plan = Plan {
        children: children(&home, entrances)?,
        renewal: Renewal::new(&prepared.accepted.config, &home, &wishes.hostnames),
        home,
        _lock: lock,
        signals,
        logging,
        source: prepared.source,
        config: prepared.accepted.config,
        setting,
        manager: Notifier::from_environment(environment).unwrap_or_default(),
        manager_watchdog: watchdog(environment),
        url: reach.to_string(),
    };
    Supervisor::new(plan)?.run(|| {
        tracing::info!(took_ms = began.elapsed().as_millis() as u64, "serving {reach}");
        // A closed stdout is no reason to stop.
        let _ = write!(std::io::stdout(), "{banner}").and_then(|()| std::io::stdout().flush());
    })?;
    Ok(())
}

fn reach(prepared: &Prepared, wishes: &Wishes, address: &Address) -> Reach {
    let hosts = prepared
        .certificates
        .as_ref()
        .map_or(wishes.hostnames.as_slice(), |own| own.hosts());
    Reach::of(&prepared.accepted.config, hosts, address)
}

/// `listen`: the address that overrides the file's.
fn setting(prepared: &Prepared, home: &Home, listen: Option<&Address>) -> Setting {
    let path = prepared.source.path();
    Setting {
        arguments: ["--config".into(), path.into(), "--home".into(), home.root().into()].into(),
        variables: listen
            .map(|address| (LISTEN_VARIABLE.to_owned(), address.to_string()))
            .into_iter()
            .collect(),
        configuration: prepared.accepted.text.clone(),
    }
}

/// Both, due to be started; the proxy first, since it drains first.
fn children(home: &Home, entrances: Entrances) -> Result<[Child; 2], SocketError> {
    let path = home.registry_socket();
    let sockets = vec![(REGISTRY_NAME, listen_unix(&path)?.into())];
    let now = Instant::now();
    Ok([
        Child::new(Role::Proxy, entrances.address.to_string(), entrances.sockets, now),
        Child::new(Role::Registry, Address::Unix(path).to_string(), sockets, now),
    ])
}
