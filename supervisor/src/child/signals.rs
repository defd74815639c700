//! Signals of a serving process. A thread waits for them, since signal handlers may do next to nothing.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_config::{Config, Home};
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};

use crate::configuration::source::{ConfigSource, LoadedConfig, explain};
use crate::logging::Logging;
use crate::os::fd_passing::receive_text;
use crate::os::notify::Notifier;
use crate::os::signals::handled;

/// Signals within this time are one: when a supervisor is killed, the kernel sends the signal of its death
/// (PR_SET_PDEATHSIG) once for each of its threads, as they end.
const SAME_DEATH: Duration = Duration::from_secs(1);
/// Reloads that may wait while one is applied.
const RELOADS: usize = 4;

/// What a serving process was asked for last. Each stage includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ShutdownStage {
    Serve,
    /// Another serves in its place (SIGUSR2): finish, however long it takes.
    Leave,
    /// Finish within `http.draintimeout` (SIGTERM).
    Drain,
    /// End at once (SIGTERM again).
    End,
}

impl ShutdownStage {
    fn asked_to_end(self) -> Self {
        match self {
            Self::Serve | Self::Leave => Self::Drain,
            Self::Drain | Self::End => Self::End,
        }
    }
}

/// Tells tasks that a signal asked for the end.
#[derive(Debug, Clone)]
pub(super) struct ShutdownSignal(watch::Receiver<ShutdownStage>);

impl ShutdownSignal {
    /// Completes at [`ShutdownStage::Leave`] or later.
    pub(super) fn leave(&self) -> impl Future<Output = ()> + Send + 'static {
        self.told(ShutdownStage::Leave)
    }

    /// Completes at [`ShutdownStage::Drain`] or later.
    pub(super) fn drain(&self) -> impl Future<Output = ()> + Send + 'static {
        self.told(ShutdownStage::Drain)
    }

    /// Completes at [`ShutdownStage::End`].
    pub(super) fn end_now(&self) -> impl Future<Output = ()> + Send + 'static {
        self.told(ShutdownStage::End)
    }

    /// Whether [`ShutdownStage::Drain`] has come.
    pub(super) fn is_told_to_end(&self) -> bool {
        *self.0.borrow() >= ShutdownStage::Drain
    }

    fn told(&self, stage: ShutdownStage) -> impl Future<Output = ()> + Send + 'static {
        let mut shutdown = self.0.clone();
        async move {
            if shutdown.wait_for(|told| *told >= stage).await.is_err() {
                // The thread that waits for signals is gone.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Takes up configurations that come while a process serves.
pub(super) struct Reloader {
    pub(super) source: ConfigSource,
    pub(super) home: Home,
    pub(super) logging: Logging,
    pub(super) notifier: Arc<Notifier>,
}

impl Reloader {
    /// A configuration with mistakes is logged and changes nothing.
    fn take_up(&self, read: Result<LoadedConfig, lockgate_config::LoadError>, reload: &mpsc::Sender<Config>) {
        match read {
            Ok(accepted) => {
                self.logging.reload(&accepted.config.log, &self.home.log());
                if reload.try_send(accepted.config).is_err() {
                    let reason = "earlier reloads are still being applied";
                    tracing::warn!("not reloaded: {reason}");
                    self.notifier.send_reloaded(Err(reason.to_owned()));
                }
            }
            Err(error) => {
                let lines = explain(&error);
                for line in &lines {
                    tracing::error!("the old configuration goes on: {line}");
                }
                self.notifier.send_reloaded(Err(lines.join("; ")));
            }
        }
    }

    /// Takes configurations from the supervisor, until it is gone: the file may hold another one by now.
    fn follow_supervisor(&self, reload: &mpsc::Sender<Config>) {
        loop {
            match receive_text(io::stdin()) {
                Ok(Some(text)) => self.take_up(self.source.parse(text), reload),
                Ok(None) => return,
                Err(error) => return tracing::error!("no further configuration can be received: {error}"),
            }
        }
    }
}

/// Blocks the signals in every thread that comes after, and starts the one that waits for them.
///
/// A supervised process ignores SIGINT and SIGHUP: its supervisor gets them too, decides who drains first, and
/// sends configurations itself.
pub(super) fn listen(reloads: Reloader, supervised: bool) -> io::Result<(ShutdownSignal, mpsc::Receiver<Config>)> {
    handled().thread_block()?;
    let (stage, shutdown) = watch::channel(ShutdownStage::Serve);
    let (reload, received) = mpsc::channel(RELOADS);
    let logging = reloads.logging.clone();
    let read_again = if supervised {
        thread("configuration", move || reloads.follow_supervisor(&reload))?;
        None
    } else {
        Some(move || reloads.take_up(reloads.source.load(), &reload))
    };
    let is_repeated = move |first: Option<Instant>| supervised && first.is_some_and(|at| at.elapsed() < SAME_DEATH);
    thread("signals", move || {
        let mut first = None;
        loop {
            match handled().wait() {
                Ok(Signal::SIGINT) if supervised => {}
                Ok(Signal::SIGTERM) if is_repeated(first) => {}
                Ok(Signal::SIGTERM | Signal::SIGINT) => {
                    first.get_or_insert_with(Instant::now);
                    stage.send_modify(|told| *told = told.asked_to_end());
                }
                Ok(Signal::SIGUSR2) if supervised => stage.send_modify(|told| *told = ShutdownStage::Leave.max(*told)),
                Ok(Signal::SIGHUP) => {
                    if let Some(read_again) = &read_again {
                        read_again();
                    }
                }
                Ok(Signal::SIGUSR1) => logging.reopen(),
                Ok(_) => {}
                Err(errno) => tracing::error!("cannot wait for signals: {errno}"),
            }
        }
    })?;
    Ok((ShutdownSignal(shutdown), received))
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}
