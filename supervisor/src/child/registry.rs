//! `lockgate registry`: the registry, behind Lockgate's proxy or another one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lockgate_config::{Address, Config};
use lockgate_registry::{Control, Frontend, Listener};
use lockgate_registry::{InstanceId, RootLock};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::args::ServeArgs;
use super::error::ServeError;
use super::process::{ServingProcess, notifier, report_exit, run, runtime};
use crate::configuration::stop_time::longest_end;
use crate::logging::Logging;
use crate::os::listen::is_missing;
use crate::os::listen::{listen_tcp, listen_unix};
use crate::os::listen_fds::{DEBUG_NAME, REGISTRY_NAME};
use crate::os::listen_fds::{InheritedSocket, InheritedSockets};
use crate::role::{INSTANCE_VARIABLE, Role};
use crate::sandbox::Rules;
use crate::setup::data_dir;
use crate::setup::home_record::History;
use crate::setup::missing::{self, Locations};

/// How often to look whether its own Unix socket is still there.
const LOOK_EVERY: Duration = Duration::from_millis(250);

struct Listeners {
    public: Listener,
    /// Its path, when this process has bound a Unix socket itself.
    bound: Option<PathBuf>,
    /// Where `http.debug` is served.
    debug: Option<Listener>,
}

/// Serves until a signal asks for the end.
pub(crate) fn serve(args: ServeArgs) -> Result<(), ServeError> {
    let notifier = notifier(&args);
    let begun = ServingProcess::begin(
        args,
        Role::Registry,
        c"lockgate-regist",
        notifier.clone(),
        |args, config| {
            if args.supervisor.is_none() {
                make_what_is_missing(args, config)?;
            }
            let listeners = listeners(args, config)?;
            let rules = Rules::of(Role::Registry, config, &args.home);
            let rules = match &listeners.bound {
                Some(socket) => rules.with_listening(socket),
                None => rules,
            };
            Ok((rules, listeners))
        },
    );
    report_exit(
        begun.and_then(|(process, reload, listeners)| serve_process(&process, reload, listeners)),
        &notifier,
    )
}

/// For a registry that runs alone: the supervisor has made it for its child.
fn make_what_is_missing(args: &ServeArgs, config: &Config) -> Result<(), ServeError> {
    let locations = Locations {
        home: &args.home,
        config: Some(args.source.path()),
    };
    missing::images(&History::of(&args.home), config, locations)?;
    data_dir::create(&config.storage.root, None)?;
    if let Some(issuer) = &config.auth.issuer {
        // Should it fail, the registry reports it when it reads the key.
        let _ = lockgate_registry::ensure_token_key(&issuer.key);
    }
    Ok(())
}

fn serve_process(process: &ServingProcess, reload: Receiver<Config>, listeners: Listeners) -> Result<(), ServeError> {
    let storage = &process.config.storage;
    let began = Instant::now();
    // Processes that a killed supervisor left hold the lock while they drain.
    let limit = longest_end(process.config.http.drain_timeout);
    let goes_on_waiting = || began.elapsed() < limit && !process.shutdown.is_told_to_end();
    let _root_lock = RootLock::take(&storage.root, &instance(process), storage.read_only, goes_on_waiting)?;
    let (further, more) = mpsc::channel(1);
    let control = Control {
        frontend: if process.is_supervised() {
            Frontend::Lockgate
        } else {
            Frontend::Other
        },
        ready: process.ready(),
        // Its proxy has ended by then, so no client waits for what is in flight.
        drain: Box::pin(process.shutdown.leave()),
        debug: listeners.debug,
        more,
        reload,
        reloaded: process.reloaded(),
        audit: Box::new(|log| Box::pin(Logging::confirmed(log))),
    };
    let runtime = runtime()?;
    if let Some(socket) = listeners.bound {
        runtime.spawn(bind_again(socket, further));
    }
    let serving = lockgate_registry::run(process.config.clone(), listeners.public, control);
    run(process, runtime, serving)
}

/// Binds the Unix socket again whenever somebody removes it: programs that clean temporary directories do.
async fn bind_again(socket: PathBuf, further: Sender<Listener>) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if !is_missing(&socket) {
            continue;
        }
        match listen_unix(&socket) {
            Ok(listener) => {
                tracing::warn!(
                    "{} was removed while it is in use, and was made again",
                    socket.display()
                );
                if further.send(Listener::Unix(listener)).await.is_err() {
                    return;
                }
            }
            Err(error) if error.to_string() != told => {
                told = error.to_string();
                tracing::error!("{} was removed while it is in use: {told}", socket.display());
            }
            // It was logged already.
            Err(_) => {}
        }
    }
}

/// A child belongs to its supervisor's instance, before and after a hand-over.
fn instance(process: &ServingProcess) -> InstanceId {
    let told = process.args.environment.value(INSTANCE_VARIABLE);
    match told.filter(|_| process.is_supervised()) {
        Some(told) => InstanceId::told(told),
        None => InstanceId::of_process(std::process::id()),
    }
}

fn listeners(args: &ServeArgs, config: &Config) -> Result<Listeners, ServeError> {
    let mut inherited = InheritedSockets::of_process(&args.environment);
    let (socket, bound) = match inherited.named_or_first(REGISTRY_NAME).map_err(ServeError::Inherited)? {
        Some(socket) => (socket, None),
        None => match &config.http.addr {
            Address::Tcp { host, port } => (InheritedSocket::Tcp(listen_tcp(host, *port)?), None),
            Address::Unix(path) => (InheritedSocket::Unix(listen_unix(path)?), Some(path.clone())),
        },
    };
    let debug = match (
        &config.http.debug,
        inherited.named(DEBUG_NAME).map_err(ServeError::Inherited)?,
    ) {
        (None, _) => None,
        (Some(_), Some(socket)) => Some(socket),
        (Some(debug), None) => Some(match &debug.addr {
            Address::Tcp { host, port } => {
                InheritedSocket::Tcp(listen_tcp(host, *port).map_err(|error| error.at("http.debug.addr"))?)
            }
            Address::Unix(path) => InheritedSocket::Unix(listen_unix(path)?),
        }),
    };
    Ok(Listeners {
        public: listener_of(socket),
        bound,
        debug: debug.map(listener_of),
    })
}

fn listener_of(socket: InheritedSocket) -> Listener {
    match socket {
        InheritedSocket::Tcp(socket) => Listener::Tcp(socket),
        InheritedSocket::Unix(socket) => Listener::Unix(socket),
    }
}
