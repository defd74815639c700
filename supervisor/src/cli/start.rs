//! `lockgate start`: set up what is missing, then serve.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use clap::Args;
use lockgate_config::{Address, Home};

use super::Failure;
use super::places::Places;
use crate::banner::Banner;
use crate::environment::Environment;
use crate::lock::Lock;
use crate::logging::Logging;
use crate::notify::{Notifier, watchdog};
use crate::reach::Reach;
use crate::serve::{Inherited, PUBLIC_NAME, REDIRECT_NAME, REGISTRY_NAME};
use crate::setup::listen::with_port;
use crate::setup::{Prepared, Wish, prepare, prepare_directories};
use crate::source::LISTEN_VARIABLE;
use crate::supervise::child::{Child, Role, Setting};
use crate::supervise::renewal::Renewal;
use crate::supervise::signals::Signals;
use crate::supervise::sockets::{SocketError, listen_tcp, listen_unix};
use crate::supervise::{Plan, Supervisor};

/// After a crash, the children that it left let go of their sockets within this time.
const CRASH_PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

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
    pub(super) fn wish<'a>(&'a self, home: &'a Home, environment: &'a Environment) -> Wish<'a> {
        Wish {
            home,
            config: self
                .places
                .config
                .as_ref()
                .map(|_| self.places.config_file(environment)),
            listen: self.listen.clone(),
            hostnames: &self.hostnames,
            environment,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let began = Instant::now();
    let signals = Signals::block().map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
    let logging = Logging::start("supervisor");
    let home = arguments.wishes.places.home(environment);
    prepare_directories(&home)?;
    let lock = Lock::take(&home.pid_file())?;
    let mut prepared = prepare(&arguments.wishes.wish(&home, environment))?;
    logging.reload(&prepared.accepted.config.log);
    prepared
        .accepted
        .config
        .warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    if let Some(reason) = &prepared.issued {
        tracing::info!("issued a certificate: {reason}");
    }

    let patience = if lock.after_crash {
        CRASH_PATIENCE
    } else {
        Duration::ZERO
    };
    let front = open_front(&mut prepared, environment, patience)?;
    let overridden = arguments.wishes.listen.is_some() || front.address != prepared.accepted.config.http.addr;
    if overridden {
        let address = front.address.to_string();
        prepared.source = prepared.source.with_listen(&address);
        prepared.accepted = prepared.source.accept(prepared.accepted.text)?;
    }
    let config = prepared.accepted.config;
    let hosts = prepared
        .certificates
        .as_ref()
        .map_or(arguments.wishes.hostnames.as_slice(), |own| own.hosts());
    let reach = Reach::of(&config, hosts, &front.address);
    let banner = Banner {
        reach: reach.clone(),
        account: prepared.account,
        password_file: home.password_file(),
        authority: prepared.certificates.as_ref().map(|_| home.ca_certificate()),
    };
    let setting = Setting {
        arguments: [
            "--config".into(),
            prepared.source.path().into(),
            "--home".into(),
            home.root().into(),
        ]
        .into(),
        variables: overridden
            .then(|| (LISTEN_VARIABLE.to_owned(), front.address.to_string()))
            .into_iter()
            .collect(),
        configuration: prepared.accepted.text,
    };
    let socket_path = home.registry_socket();
    let registry_socket: OwnedFd = listen_unix(&socket_path)?.into();
    let now = Instant::now();
    let children = [
        Child::new(Role::Proxy, front.address.to_string(), front.sockets, now),
        Child::new(
            Role::Registry,
            format!("unix:{}", socket_path.display()),
            vec![(REGISTRY_NAME, registry_socket)],
            now,
        ),
    ];
    let renewal = Renewal::new(&config, &home, &arguments.wishes.hostnames);
    let manager = Notifier::from_environment(environment).unwrap_or_default();
    let plan = Plan {
        home,
        _lock: lock,
        signals,
        logging,
        source: prepared.source,
        config,
        setting,
        children,
        renewal,
        manager,
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

/// The front door's sockets, and where it really listens.
struct Front {
    address: Address,
    sockets: Vec<(&'static str, OwnedFd)>,
}

/// From whoever handed sockets down, from set-up, or new.
fn open_front(prepared: &mut Prepared, environment: &Environment, patience: Duration) -> Result<Front, Failure> {
    let mut inherited = Inherited::of_process(environment);
    let mut hand_down = |name| {
        inherited
            .tcp(name)
            .map_err(|error| Failure::new(format!("LISTEN_FDS: {error}")))
    };
    let http = &prepared.accepted.config.http;
    let (host, port) = tcp_parts("http.addr", &http.addr)?;
    let public = match (hand_down(PUBLIC_NAME)?, prepared.socket.take()) {
        (Some(socket), _) | (None, Some(socket)) => socket,
        (None, None) => listen_patiently(host, port, patience)?,
    };
    let address = with_port(host, port, &public);
    let mut sockets = vec![(PUBLIC_NAME, OwnedFd::from(public))];
    if let Some(redirect) = &http.redirect_https {
        let (host, port) = tcp_parts("http.redirecthttps", redirect)?;
        let socket = match hand_down(REDIRECT_NAME)? {
            Some(socket) => socket,
            None => listen_patiently(host, port, patience)?,
        };
        sockets.push((REDIRECT_NAME, socket.into()));
    }
    Ok(Front { address, sockets })
}

fn tcp_parts<'a>(key: &str, address: &'a Address) -> Result<(&'a str, u16), Failure> {
    match address {
        Address::Tcp { host, port } => Ok((host, *port)),
        Address::Unix(_) => Err(Failure::configuration(format!(
            "{key} = {address}: the front door listens on host:port; a Unix socket is served by `lockgate registry`"
        ))),
    }
}

fn listen_patiently(host: &str, port: u16, patience: Duration) -> Result<TcpListener, SocketError> {
    let deadline = Instant::now() + patience;
    loop {
        match listen_tcp(host, port) {
            Err(SocketError::InUse { .. }) if Instant::now() < deadline => std::thread::sleep(POLL),
            opened => return opened,
        }
    }
}
