//! The supervisor: one thread that waits on signals, children, callers and the clock.
//!
//! ```text
//! signalfd ──┐                       ┌─▶ start, signal, kill, drain children (generation, child)
//! notify   ──┼─▶ poll ─▶ state (pure)┼─▶ hand over from old children to new ones (hand_over)
//! control  ──┤                       ├─▶ reload, upgrade, renew the certificate
//! timers   ──┘                       └─▶ answer `status`
//! ```
//!
//! Absent on purpose: threads beside those that write the log, an async runtime, a second caller of `waitpid`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lockgate_config::{Config, Home};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

pub(crate) mod acme_manager;
pub(crate) mod child_process;
pub(crate) mod control;
mod drain;
mod file_watch;
pub(crate) mod generation;
pub(crate) mod health_request;
pub(crate) mod renewal;
pub(crate) mod replace;
pub(crate) mod restart_policy;
pub(crate) mod restore;
mod served;
mod status;

use acme_manager::AcmeManager;
use control::{ControlSocket, Request, RunningConfiguration, UpgradeStarted};
use file_watch::FileWatch;
use generation::Generation;
use renewal::Renewal;
use replace::hand_over::Replacement;
use replace::rollout::ConfigRollout;
use replace::upgrade_check::UpgradeCheck;
use restore::Restore;

use crate::certificates::copies::CertificateCopies;
use crate::configuration::source::ConfigSource;
use crate::exit_code;
use crate::failure::Failure;
use crate::logging::Logging;
use crate::os::exit_status;
use crate::os::listen::SocketError;
use crate::os::lock::Lock;
use crate::os::notify::Notifier;
use crate::os::notify_socket::NotifySocket;
use crate::os::signals::Signals;

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
            Self::Refused { .. } => exit_code::CONFIGURATION,
            _ => exit_code::FAILED,
        }
    }
}

impl From<SuperviseError> for Failure {
    fn from(error: SuperviseError) -> Self {
        Self::with_code(error.exit_code(), error)
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> SuperviseError {
    move |source| SuperviseError::System { what, source }
}

/// Everything that supervision needs, from the first moment on.
pub(crate) struct SupervisorConfig {
    pub(crate) home: Home,
    /// Certificates that the proxy gets a copy of.
    pub(crate) copies: Option<CertificateCopies>,
    /// Held until the end.
    pub(crate) lock: Lock,
    pub(crate) signals: Signals,
    pub(crate) logging: Logging,
    pub(crate) source: ConfigSource,
    pub(crate) config: Config,
    pub(crate) renewal: Renewal,
    pub(crate) acme: AcmeManager,
    /// Where to find the binary that takes over on SIGUSR2.
    pub(crate) binary: io::Result<PathBuf>,
    /// The service manager above, if there is one, and how often it wants to hear.
    pub(crate) manager: Notifier,
    pub(crate) manager_watchdog: Option<Duration>,
    /// Where clients reach the registry.
    pub(crate) url: String,
}

/// The sockets that children and callers reach the supervisor by.
pub(crate) struct ControlSockets {
    notify: NotifySocket,
    control: ControlSocket,
}

impl ControlSockets {
    /// Opens them.
    pub(crate) fn open(home: &Home) -> Result<Self, SuperviseError> {
        Ok(Self {
            notify: NotifySocket::bind(&notify_socket(home)).map_err(system("open run/notify.sock"))?,
            control: ControlSocket::listen(&home.control_socket())?,
        })
    }

    /// Goes on with those of the binary before.
    pub(crate) fn adopt(home: &Home, notify: OwnedFd, control: OwnedFd) -> Self {
        Self {
            notify: NotifySocket::adopt(notify, &notify_socket(home)),
            control: ControlSocket::adopt(control, &home.control_socket()),
        }
    }
}

fn notify_socket(home: &Home) -> PathBuf {
    home.run().join("notify.sock")
}

/// A running supervision.
pub(crate) struct Supervisor {
    plan: SupervisorConfig,
    notify: NotifySocket,
    control: ControlSocket,
    started: Instant,
    current: Generation,
    next: Option<Replacement>,
    leaving: Vec<Generation>,
    upgrade_check: Option<UpgradeCheck>,
    rollout: Option<ConfigRollout>,
    /// The configuration file.
    file: FileWatch,
    /// What is made again when somebody removes it.
    restore: Restore,
    announced: bool,
    is_ending: bool,
    /// When somebody asked for the end first.
    asked_to_end: Option<Instant>,
    /// Why this ends, when it is not because somebody asked.
    failure: Option<SuperviseError>,
    reload_error: Option<String>,
    /// Somebody asked for it while it could not be done.
    reload_again: bool,
    upgrade_error: Option<String>,
    next_renewal: Instant,
    next_ping: Option<Instant>,
}

impl Supervisor {
    /// For children that are to be started.
    pub(crate) fn new(plan: SupervisorConfig, sockets: ControlSockets, current: Generation) -> Self {
        let now = Instant::now();
        Self {
            notify: sockets.notify,
            control: sockets.control,
            started: now,
            current,
            next: None,
            leaving: Vec::new(),
            upgrade_check: None,
            rollout: None,
            file: FileWatch::new(plan.source.path(), now),
            restore: Restore::new(now),
            announced: false,
            is_ending: false,
            asked_to_end: None,
            failure: None,
            reload_error: None,
            reload_again: false,
            upgrade_error: None,
            next_renewal: now + renewal::INTERVAL,
            next_ping: plan.manager_watchdog.map(|_| now),
            plan,
        }
    }

    /// In the place of another binary. Its children finish what they have once those of `next` serve; without a
    /// `next`, for this reason, they go on.
    pub(crate) fn adopting(
        mut self,
        leaving: Vec<Generation>,
        next: Result<Replacement, String>,
        started: Instant,
    ) -> Self {
        self.announced = true;
        self.started = started;
        self.leaving = leaving;
        match next {
            Ok(next) => self.next = Some(next),
            Err(reason) => {
                tracing::error!("the old processes go on under this binary, no new ones are started: {reason}");
                self.upgrade_error = Some(reason);
                self.plan.manager.send("READY=1");
            }
        }
        self
    }

    /// Supervises until told to stop, or until there is no hope. `announce` is called once, when both are ready.
    pub(crate) fn run(mut self, announce: impl FnOnce()) -> Result<(), SuperviseError> {
        let mut announce = Some(announce);
        loop {
            self.run_due();
            if self.is_over() {
                break;
            }
            self.wait()?;
            self.reap()?;
            self.take_signals()?;
            self.answer()?;
            self.hand_over_tick(Instant::now());
            self.rollout_tick(Instant::now());
            if !self.announced && self.current.is_ready() {
                self.announced = true;
                self.plan.manager.send("READY=1\nSTATUS=serving");
                self.record_served();
                if let Some(announce) = announce.take() {
                    announce();
                }
            }
        }
        self.end_order()?;
        // Best effort: the next start replaces it anyway.
        let _ = std::fs::remove_file(self.plan.home.registry_socket());
        self.failure.map_or(Ok(()), Err)
    }

    fn generations_mut(&mut self) -> impl Iterator<Item = &mut Generation> {
        let next = self.next.as_mut().map(Replacement::generation);
        self.leaving.iter_mut().chain([&mut self.current]).chain(next)
    }

    /// A challenge is answered by the front door: once it serves, and while it stays.
    fn may_order(&self) -> bool {
        self.announced && !self.is_ending && self.next.is_none()
    }

    /// An order under way is ended first, so that it does not count as a failed one.
    fn end_order(&mut self) -> Result<(), SuperviseError> {
        let began = Instant::now();
        self.plan.acme.stop(began);
        while self.plan.acme.is_running() && began.elapsed() < acme_manager::LAST_GRACE {
            self.wait()?;
            self.reap()?;
            self.take_signals()?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.next.is_none() && self.current.is_over() && self.leaving.iter().all(Generation::is_over)
    }

    /// Starts, kills and renews what the clock says.
    fn run_due(&mut self) {
        let now = Instant::now();
        let notify = self.notify.path();
        for generation in &mut self.leaving {
            // Nothing of it is started any more, so nothing can fail.
            generation.run_due(notify, now);
        }
        self.leaving.retain(|generation| !generation.is_over());
        let failure = self.current.run_due(notify, now);
        self.failure = self.failure.take().or(failure);
        if let Some(failure) = self
            .next
            .as_mut()
            .and_then(|next| next.generation().run_due(notify, now))
        {
            self.abandon_hand_over(&failure.to_string());
        }
        self.give_up_if_hopeless();
        if let Some(upgrade_check) = &mut self.upgrade_check {
            upgrade_check.end_if_late(now);
        }
        if let Some(copies) = &mut self.plan.copies {
            copies.refresh(now);
        }
        if now >= self.next_renewal {
            self.next_renewal = now + renewal::INTERVAL;
            self.plan.renewal.renew();
        }
        if self.may_order() {
            self.plan.acme.run_due(&self.current, self.notify.path(), now);
        }
        if self.file.changed(now) && !self.is_ending {
            tracing::info!(config = %self.plan.source.path().display(), "the configuration file changed");
            self.reload();
        }
        self.restore_what_was_removed(now);
        if let (Some(due), Some(interval)) = (self.next_ping, self.plan.manager_watchdog)
            && now >= due
        {
            self.plan.manager.ping();
            self.next_ping = Some(now + interval / 3);
        }
    }

    /// Waits for an event or for the next thing that is due.
    fn wait(&mut self) -> Result<(), SuperviseError> {
        let copies = self.plan.copies.as_ref().and_then(CertificateCopies::next);
        let order = self.plan.acme.next().filter(|_| self.may_order());
        let others = [
            self.next_ping,
            self.upgrade_check.as_ref().map(UpgradeCheck::deadline),
            self.rollout.as_ref().map(ConfigRollout::deadline),
            Some(self.file.next()),
            Some(self.restore.next()),
            copies,
            order,
        ];
        let next = self
            .generations_mut()
            .filter_map(|generation| generation.next())
            .chain(others.into_iter().flatten())
            .min();
        let next = next.map_or(self.next_renewal, |next| next.min(self.next_renewal));
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
        let ended = exit_status::reap().map_err(system("wait for child processes"))?;
        self.receive_notifications()?;
        let now = Instant::now();
        // Those that belong to nobody are orphans that PID 1 inherits: reaping was all they needed.
        for (pid, status) in ended {
            for generation in &mut self.leaving {
                generation.on_exit(pid, status, now);
            }
            let failure = self.current.on_exit(pid, status, now);
            self.failure = self.failure.take().or(failure);
            if let Some(failure) = self
                .next
                .as_mut()
                .and_then(|next| next.generation().on_exit(pid, status, now))
            {
                self.abandon_hand_over(&failure.to_string());
            }
            self.on_check_exit(pid, status);
            self.plan.acme.on_exit(pid, status);
        }
        Ok(())
    }

    fn receive_notifications(&mut self) -> Result<(), SuperviseError> {
        while let Some((pid, messages)) = self.notify.receive().map_err(system("read run/notify.sock"))? {
            let now = Instant::now();
            let is_heard = self
                .generations_mut()
                .any(|generation| generation.on_messages(pid, &messages, now));
            if is_heard {
                self.on_reload_results(pid, &messages);
            } else {
                self.plan.acme.on_messages(pid, &messages);
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
                    self.generations_mut()
                        .flat_map(|generation| &generation.children)
                        .for_each(|child| child.signal(signal));
                }
                Signal::SIGUSR2 => self.upgrade_in_place(),
                // SIGCHLD only wakes.
                _ => {}
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<(), SuperviseError> {
        while let Some(call) = self.control.next().map_err(system("listen on run/lockgate.sock"))? {
            match &call.request {
                Request::Status => call.reply(&self.status()),
                Request::Reload => {
                    let reloaded = self.reload();
                    call.reply(&reloaded);
                }
                Request::Configuration => call.reply(&RunningConfiguration {
                    config: self.plan.source.path().to_owned(),
                    variables: self.plan.source.variables(),
                }),
                Request::Upgrade(path) => {
                    let error = self.begin_upgrade(path).err();
                    call.reply(&UpgradeStarted { error });
                }
            }
        }
        Ok(())
    }
}
