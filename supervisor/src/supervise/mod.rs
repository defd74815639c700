//! The supervisor: one thread that waits on signals, children, callers and the clock.
//!
//! ```text
//! signalfd ──┐                       ┌─▶ start, signal, kill children (child)
//! notify   ──┼─▶ poll ─▶ state (pure)┼─▶ drain: proxy, then registry (drain)
//! control  ──┤                       ├─▶ reload, renew the certificate
//! timers   ──┘                       └─▶ answer `status`
//! ```
//!
//! Absent on purpose: threads, an async runtime, a second caller of `waitpid`.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use lockgate_config::{Config, Home};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

pub(crate) mod child;
pub(crate) mod control;
mod drain;
mod end;
mod readiness;
mod reload;
pub(crate) mod renewal;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod state;
mod status;

use child::{Child, Setting};
use control::{ControlSocket, Request};
use drain::Drain;
use end::End;
use readiness::{NotifySocket, Word};
use renewal::Renewal;
use signals::Signals;
use sockets::SocketError;
use state::{Due, EX_CONFIG, Phase, Verdict};

use crate::lock::Lock;
use crate::logging::Logging;
use crate::notify::Notifier;
use crate::source::Source;

/// Why supervision ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SuperviseError {
    /// A child will not run with this configuration.
    #[error("{reason}")]
    Refused { reason: String },
    /// A child ends again and again.
    #[error(
        "gave up: the {process} process ended {times} times in {seconds:.1} s without becoming ready; last reason: {reason}"
    )]
    Hopeless {
        process: &'static str,
        times: u32,
        seconds: f64,
        reason: String,
    },
    /// A socket of the supervisor's own.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The system.
    #[error("cannot {what}: {source}")]
    System { what: &'static str, source: io::Error },
}

impl SuperviseError {
    /// The exit code of the whole.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } => u8::try_from(EX_CONFIG).unwrap_or(1),
            _ => 1,
        }
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> SuperviseError {
    move |source| SuperviseError::System { what, source }
}

/// Everything that supervision needs; the sockets in `children` are open.
pub(crate) struct Plan {
    pub(crate) home: Home,
    /// Held until the end, nothing more.
    pub(crate) _lock: Lock,
    pub(crate) signals: Signals,
    pub(crate) logging: Logging,
    pub(crate) source: Source,
    pub(crate) config: Config,
    pub(crate) setting: Setting,
    /// The proxy first: it drains first.
    pub(crate) children: [Child; 2],
    pub(crate) renewal: Renewal,
    /// The service manager above, if there is one, and how often it wants to hear.
    pub(crate) manager: Notifier,
    pub(crate) manager_watchdog: Option<Duration>,
    /// Where clients reach the registry.
    pub(crate) url: String,
}

/// A running supervision.
pub(crate) struct Supervisor {
    plan: Plan,
    notify: NotifySocket,
    control: ControlSocket,
    started: Instant,
    announced: bool,
    drain: Drain,
    /// Why this ends, when it is not because somebody asked.
    failure: Option<SuperviseError>,
    reload_error: Option<String>,
    next_renewal: Instant,
    next_ping: Option<Instant>,
}

impl Supervisor {
    /// Opens the sockets that children and callers reach the supervisor by.
    pub(crate) fn new(plan: Plan) -> Result<Self, SuperviseError> {
        let now = Instant::now();
        let notify =
            NotifySocket::bind(&plan.home.run().join("notify.sock")).map_err(system("open run/notify.sock"))?;
        let control = ControlSocket::listen(&plan.home.control_socket())?;
        Ok(Self {
            notify,
            control,
            started: now,
            announced: false,
            drain: Drain::default(),
            failure: None,
            reload_error: None,
            next_renewal: now + renewal::INTERVAL,
            next_ping: plan.manager_watchdog.map(|_| now),
            plan,
        })
    }

    /// Supervises until told to stop, or until there is no hope. `announce` is called once, when both are ready.
    pub(crate) fn run(mut self, announce: impl FnOnce()) -> Result<(), SuperviseError> {
        let mut announce = Some(announce);
        loop {
            self.do_what_is_due();
            if self.is_over() {
                break;
            }
            self.wait()?;
            self.reap()?;
            self.take_signals()?;
            self.answer()?;
            if !self.announced && self.plan.children.iter().all(|child| child.life.is_ready()) {
                self.announced = true;
                self.plan.manager.send("READY=1\nSTATUS=serving");
                if let Some(announce) = announce.take() {
                    announce();
                }
            }
        }
        // Best effort: the next start replaces it anyway.
        let _ = std::fs::remove_file(self.plan.home.registry_socket());
        self.failure.map_or(Ok(()), Err)
    }

    fn is_over(&self) -> bool {
        self.plan
            .children
            .iter()
            .all(|child| child.life.phase() == Phase::Stopped && child.pid.is_none())
    }

    /// Starts, kills and renews what the clock says.
    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        for child in &mut self.plan.children {
            match child.life.due(now) {
                Some(Due::Start) => {
                    if let Err(error) = child.start(&self.plan.setting, self.notify.path(), now) {
                        child.life.started(now);
                        child.status = Some(format!("cannot start it: {error}"));
                        let end = End::NeverRan;
                        let verdict = child.life.exited(now, None);
                        self.failure = self.failure.take().or_else(|| judged(child, verdict, end));
                    }
                }
                Some(Due::Kill(reason)) => {
                    tracing::warn!(
                        child = child.role.name(),
                        pid = child.pid.map(|pid| pid.as_raw()),
                        "killed: {reason}"
                    );
                    child.kill();
                }
                None => {}
            }
        }
        self.drain_on(now);
        if now >= self.next_renewal {
            self.next_renewal = now + renewal::INTERVAL;
            self.plan.renewal.renew();
        }
        if let (Some(due), Some(interval)) = (self.next_ping, self.plan.manager_watchdog)
            && now >= due
        {
            self.plan.manager.send("WATCHDOG=1");
            self.next_ping = Some(now + interval / 3);
        }
    }

    /// Waits for an event or for the next thing that is due.
    fn wait(&self) -> Result<(), SuperviseError> {
        let next = self
            .plan
            .children
            .iter()
            .filter_map(|child| child.life.next())
            .chain(self.next_ping);
        let next = next.fold(self.next_renewal, Instant::min);
        // Rounded up, so that the thing is due when the wait is over.
        let wait = next
            .saturating_duration_since(Instant::now())
            .as_micros()
            .div_ceil(1000);
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [self.plan.signals.as_fd(), self.notify.as_fd(), self.control.as_fd()]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(system("wait for events")(errno.into())),
        }
    }

    /// Hears what children say, and buries the dead: in this order, so that last words count.
    fn reap(&mut self) -> Result<(), SuperviseError> {
        let ended = end::ended().map_err(system("wait for child processes"))?;
        self.hear_children()?;
        let now = Instant::now();
        for (pid, end) in ended {
            // Others are orphans that PID 1 inherits: reaping was all they needed.
            if let Some(child) = self.plan.children.iter_mut().find(|child| child.pid == Some(pid)) {
                child.pid = None;
                child.since = None;
                let verdict = child.life.exited(now, end.code());
                self.failure = self.failure.take().or_else(|| judged(child, verdict, end));
            }
        }
        Ok(())
    }

    fn hear_children(&mut self) -> Result<(), SuperviseError> {
        while let Some((pid, words)) = self.notify.receive().map_err(system("read run/notify.sock"))? {
            let now = Instant::now();
            let Some(child) = self.plan.children.iter_mut().find(|child| child.pid == Some(pid)) else {
                continue;
            };
            for word in words {
                match word {
                    Word::Ready => {
                        child.life.ready(now);
                        let took_ms = child
                            .since
                            .map_or(0, |since| now.duration_since(since).as_millis() as u64);
                        tracing::info!(child = child.role.name(), pid = pid.as_raw(), took_ms, "ready");
                    }
                    Word::Alive => child.life.alive(now),
                    Word::Status(status) => child.status = Some(status),
                }
            }
        }
        Ok(())
    }

    fn take_signals(&mut self) -> Result<(), SuperviseError> {
        while let Some(signal) = self.plan.signals.take().map_err(system("read signals"))? {
            match signal {
                Signal::SIGTERM | Signal::SIGINT => self.stop(),
                Signal::SIGHUP => {
                    self.reload();
                }
                Signal::SIGUSR1 => {
                    self.plan.logging.reopen();
                    self.plan.children.iter().for_each(|child| child.signal(signal));
                }
                // SIGCHLD only wakes.
                _ => {}
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<(), SuperviseError> {
        while let Some(call) = self.control.next().map_err(system("listen on run/lockgate.sock"))? {
            match call.request {
                Request::Status => call.reply(&self.status()),
                Request::Reload => {
                    let reloaded = self.reload();
                    call.reply(&reloaded);
                }
            }
        }
        Ok(())
    }
}

/// What the end of a child means for the whole: the failure that ends it, if it does.
fn judged(child: &mut Child, verdict: Verdict, end: End) -> Option<SuperviseError> {
    let process = child.role.name();
    let reason = child
        .status
        .take()
        .map_or_else(|| end.to_string(), |status| format!("{status} ({end})"));
    let failure = match verdict {
        Verdict::Stopped => None,
        Verdict::Restart(wait) => {
            tracing::warn!(
                child = process,
                restart_in_ms = wait.as_millis() as u64,
                "ended: {reason}"
            );
            None
        }
        Verdict::Refused => Some(SuperviseError::Refused {
            reason: format!("{process}: {reason}"),
        }),
        Verdict::Hopeless(times, took) => Some(SuperviseError::Hopeless {
            process,
            times,
            seconds: took.as_secs_f64(),
            reason: reason.clone(),
        }),
    };
    child.status = Some(reason);
    failure
}
