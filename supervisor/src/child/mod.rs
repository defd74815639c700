//! What `lockgate registry` and `lockgate proxy` run: one of the two halves, alone or as a supervised child.
//!
//! ```text
//! signals (thread) ──▶ drain, reload ──▶ lockgate_registry::run / lockgate_proxy::run
//! ready, alive, last words ◀── NOTIFY_SOCKET
//! ```

mod proxy;
mod registry;
mod signals;

use std::ffi::CStr;
use std::future::Future;
use std::io;
use std::sync::Arc;

use lockgate_config::{Config, Home, LoadError};
use lockgate_registry::RootLockError;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub(crate) use proxy::serve as proxy;
pub(crate) use registry::serve as registry;
use signals::{Reloader, ShutdownSignal};

use crate::configuration::source::{ConfigSource, LoadedConfig, explain};
use crate::exit_code;
use crate::failure::Failure;
use crate::logging::{Logging, panics};
use crate::os::environment::Environment;
use crate::os::fd_passing::receive_text;
use crate::os::listen::SocketError;
use crate::os::notify::{self, Notifier};
use crate::os::process;
use crate::os::rlimit;
use crate::role::Role;
use crate::sandbox::{self, Mode, Rules};
use crate::setup::data_dir::DataDirError;
use crate::setup::missing::MissingFile;

/// How one half was called.
#[derive(Debug)]
pub(crate) struct ServeArgs {
    pub(crate) source: ConfigSource,
    pub(crate) home: Home,
    pub(crate) environment: Environment,
    /// The supervisor's pid, when there is one.
    pub(crate) supervisor: Option<i32>,
}

/// Why one half ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The configuration.
    #[error("{}", explain(.0).join("\n"))]
    Configuration(#[from] LoadError),
    /// A listening socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// An address that this half cannot serve.
    #[error("http.addr = {address}: {reason}")]
    Address { address: String, reason: &'static str },
    /// A descriptor that was handed down.
    #[error("LISTEN_FDS: {0}")]
    Inherited(io::Error),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] lockgate_registry::RunError),
    /// The proxy.
    #[error(transparent)]
    Proxy(#[from] lockgate_proxy::RunError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What a home that has served should have.
    #[error(transparent)]
    Missing(#[from] MissingFile),
    /// Who serves it.
    #[error(transparent)]
    RootLock(#[from] RootLockError),
    /// The system.
    #[error("cannot {what}: {source}")]
    System { what: &'static str, source: io::Error },
}

impl ServeError {
    /// 78 when trying again with the same configuration is no use.
    pub(crate) fn exit_code(&self) -> u8 {
        use lockgate_proxy::RunError as Proxy;
        use lockgate_registry::RunError as Registry;
        let hopeless = match self {
            Self::Configuration(_) | Self::Address { .. } | Self::RootLock(_) | Self::Missing(_) => true,
            Self::Registry(error) => matches!(error, Registry::Configuration { .. } | Registry::Storage { .. }),
            Self::Proxy(error) => matches!(error, Proxy::Configuration { .. } | Proxy::Certificate(_)),
            Self::Socket(_) | Self::Inherited(_) | Self::DataDir(_) | Self::System { .. } => false,
        };
        if hopeless {
            exit_code::CONFIGURATION
        } else {
            exit_code::FAILED
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::with_code(error.exit_code(), error)
    }
}

/// A half that is about to run: logging, signals and configuration are in place.
struct ServingProcess {
    args: ServeArgs,
    config: Config,
    notifier: Arc<Notifier>,
    logging: Logging,
    shutdown: ShutdownSignal,
}

impl ServingProcess {
    /// Sets up the process: `open` opens what it may not open any more once it is confined. The second part of the
    /// answer brings the configurations to go on with.
    fn begin<T>(
        args: ServeArgs,
        role: Role,
        title: &CStr,
        notifier: Arc<Notifier>,
        open: impl FnOnce(&ServeArgs, &Config) -> Result<(Rules, T), ServeError>,
    ) -> Result<(Self, mpsc::Receiver<Config>, T), ServeError> {
        let logging = Logging::start(role.name());
        panics::log_and_notify(notifier.clone());
        if let Some(supervisor) = args.supervisor {
            process::set_parent_death_signal(supervisor, title)
                .map_err(|source| system("stay with the supervisor", source))?;
        }
        let accepted = configuration(&args)?;
        logging.reload(&accepted.config.log, &args.home.log());
        let few =
            rlimit::raise(&accepted.config).map_err(|errno| system("raise the number of descriptors", errno.into()))?;
        // Clients come in through the proxy, where there is one.
        if let Some(few) = few.filter(|_| args.supervisor.is_none() || role == Role::Proxy) {
            tracing::warn!("{few}");
        }
        let (rules, opened) = open(&args, &accepted.config)?;
        confine(&args, &rules)?;
        // The first threads beside this one.
        logging
            .run()
            .map_err(|source| system("start a thread for the log", source))?;
        let reloads = Reloader {
            source: args.source.clone(),
            home: args.home.clone(),
            logging: logging.clone(),
            notifier: notifier.clone(),
        };
        let (shutdown, reload) = signals::listen(reloads, args.supervisor.is_some())
            .map_err(|source| system("listen to signals", source))?;
        Ok((
            Self {
                args,
                config: accepted.config,
                notifier,
                logging,
                shutdown,
            },
            reload,
            opened,
        ))
    }

    fn is_supervised(&self) -> bool {
        self.args.supervisor.is_some()
    }

    /// What to call when a configuration that came is in force, or is not.
    fn reloaded(&self) -> Box<dyn Fn(Result<(), String>) + Send> {
        let notifier = self.notifier.clone();
        Box::new(move |result| notifier.send_reloaded(result))
    }

    /// What to call when requests are served.
    fn ready(&self) -> Box<dyn FnOnce() + Send> {
        let notifier = self.notifier.clone();
        Box::new(move || notifier.send("READY=1"))
    }
}

/// Before there is any other thread: it would stay free.
fn confine(args: &ServeArgs, rules: &Rules) -> Result<(), ServeError> {
    let notify = args.environment.value("NOTIFY_SOCKET");
    let confined = match args.supervisor {
        Some(_) => sandbox::enter(rules, Mode::Supervised, notify),
        // Nobody hands it the next configuration.
        None => sandbox::enter(&rules.clone().with_file(args.source.path()), Mode::Standalone, notify),
    };
    confined.map_err(|source| system("confine this process", source))?.log();
    Ok(())
}

/// The text that the supervisor accepted comes on stdin: what the file holds by now may be anything.
fn configuration(args: &ServeArgs) -> Result<LoadedConfig, ServeError> {
    if args.supervisor.is_none() {
        let accepted = args.source.load()?;
        for warning in &accepted.config.warnings {
            tracing::warn!("{warning}");
        }
        return Ok(accepted);
    }
    let unreadable = |source| system("receive the configuration on stdin", source);
    let text = receive_text(io::stdin()).map_err(unreadable)?;
    let text = text.ok_or_else(|| unreadable(io::ErrorKind::UnexpectedEof.into()))?;
    Ok(args.source.parse(text)?)
}

/// Runs `serving` until it ends, until it was told twice to end, or until its drain took too long.
fn run<E: Into<ServeError>>(
    process: &ServingProcess,
    runtime: Runtime,
    serving: impl Future<Output = Result<(), E>>,
) -> Result<(), ServeError> {
    let limit = process.config.http.drain_timeout;
    let (notifier, shutdown) = (process.notifier.clone(), process.shutdown.clone());
    if let Some(interval) = notify::watchdog(&process.args.environment) {
        runtime.spawn(ping(notifier.clone(), process.logging.clone(), interval / 3));
    }
    let result = runtime.block_on(async {
        let overdue = async {
            shutdown.drain().await;
            notifier.send("STOPPING=1");
            tokio::select! {
                () = shutdown.end_now() => tracing::warn!("asked again: ending at once"),
                () = tokio::time::sleep(limit) => tracing::warn!(limit_s = limit.as_secs(), "the drain took too long"),
            }
        };
        tokio::select! {
            served = serving => served.map_err(Into::into),
            () = overdue => Ok(()),
        }
    });
    // Whatever still runs is cut off here.
    runtime.shutdown_background();
    result
}

async fn ping(notifier: Arc<Notifier>, logging: Logging, every: std::time::Duration) {
    let mut interval = tokio::time::interval(every);
    loop {
        interval.tick().await;
        notifier.send_alive(logging.missing());
    }
}

/// Tells the supervisor why this ends; it tells everybody.
fn report_exit(result: Result<(), ServeError>, notifier: &Notifier) -> Result<(), ServeError> {
    if let Err(error) = &result {
        notifier.send_status(&error.to_string());
    }
    result
}

fn notifier(args: &ServeArgs) -> Arc<Notifier> {
    Arc::new(Notifier::from_environment(&args.environment).unwrap_or_default())
}

fn runtime() -> Result<Runtime, ServeError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| system("start the runtime", source))
}

fn system(what: &'static str, source: io::Error) -> ServeError {
    ServeError::System { what, source }
}
