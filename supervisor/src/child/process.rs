//! A process that serves: how it is set up, runs and ends, whichever of the two it is.

use std::ffi::CStr;
use std::future::Future;
use std::io;
use std::sync::Arc;

use lockgate_config::Config;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::args::ServeArgs;
use super::error::{ServeError, system};
use super::signals::{self, Reloader, ShutdownSignal};
use crate::configuration::source::LoadedConfig;
use crate::logging::{Logging, panics};
use crate::os::fd_passing::receive_text;
use crate::os::notify::{self, Notifier};
use crate::os::process::set_parent_death_signal;
use crate::os::rlimit;
use crate::role::Role;
use crate::sandbox::{self, Mode, Rules};

pub(super) struct ServingProcess {
    pub(super) args: ServeArgs,
    pub(super) config: Config,
    pub(super) notifier: Arc<Notifier>,
    pub(super) logging: Logging,
    pub(super) shutdown: ShutdownSignal,
}

impl ServingProcess {
    /// Sets up the process: `open` opens what it may not open any more once it is confined. The second part of the
    /// answer brings the configurations to go on with.
    pub(super) fn begin<T>(
        args: ServeArgs,
        role: Role,
        title: &CStr,
        notifier: Arc<Notifier>,
        open: impl FnOnce(&ServeArgs, &Config) -> Result<(Rules, T), ServeError>,
    ) -> Result<(Self, mpsc::Receiver<Config>, T), ServeError> {
        let logging = Logging::start(role.name());
        panics::log_and_notify(notifier.clone());
        if let Some(supervisor) = args.supervisor {
            set_parent_death_signal(supervisor, title).map_err(|source| system("stay with the supervisor", source))?;
        }
        let accepted = configuration(&args)?;
        logging.reload(&accepted.config.log, &args.home.log());
        let few = rlimit::raise(&accepted.config.http.limits)
            .map_err(|errno| system("raise the number of descriptors", errno.into()))?;
        // Clients connect to the proxy, where there is one.
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

    pub(super) fn is_supervised(&self) -> bool {
        self.args.is_supervised()
    }

    /// To be called when a configuration that was received is in force, or was refused.
    pub(super) fn reloaded(&self) -> Box<dyn Fn(Result<(), String>) + Send> {
        let notifier = self.notifier.clone();
        Box::new(move |result| notifier.send_reloaded(result))
    }

    /// To be called when requests are served.
    pub(super) fn ready(&self) -> Box<dyn FnOnce() + Send> {
        let notifier = self.notifier.clone();
        Box::new(move || notifier.send("READY=1"))
    }
}

/// Called before there is a second thread, which would stay unconfined.
fn confine(args: &ServeArgs, rules: &Rules) -> Result<(), ServeError> {
    let notify = args.environment.value("NOTIFY_SOCKET");
    let confined = match args.supervisor {
        Some(_) => sandbox::enter(rules, Mode::Supervised, notify),
        // It reads the next configuration itself.
        None => sandbox::enter(&rules.clone().with_file(args.source.path()), Mode::Standalone, notify),
    };
    confined.map_err(|source| system("confine this process", source))?.log();
    Ok(())
}

/// A supervised process reads the text that the supervisor accepted from stdin: the file may hold another one by now.
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

/// Runs `serving` until it ends, until a second signal asks for the end, or until the drain took too long.
pub(super) fn run<E: Into<ServeError>>(
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

/// Tells the supervisor why this process ends; the supervisor logs it.
pub(super) fn report_exit(result: Result<(), ServeError>, notifier: &Notifier) -> Result<(), ServeError> {
    if let Err(error) = &result {
        notifier.send_status(&error.to_string());
    }
    result
}

pub(super) fn notifier(args: &ServeArgs) -> Arc<Notifier> {
    Arc::new(Notifier::from_environment(&args.environment).unwrap_or_default())
}

pub(super) fn runtime() -> Result<Runtime, ServeError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| system("start the runtime", source))
}
