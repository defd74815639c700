//! The state of a running supervisor; each file beside this one holds one of its tasks.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lockgate_config::{Address, Config, Home};

use super::acme_manager::AcmeManager;
use super::control::ControlSocket;
use super::error::{SuperviseError, system};
use super::file_watch::FileWatch;
use super::generation::Generation;
use super::own_certificate_renewal::{self, Renewal};
use super::phase::Phase;
use super::replace::replacement::Replacement;
use super::replace::upgrade_check::UpgradeCheck;
use super::run_dir_watch::RunDirWatch;
use crate::certificates::copies::CertificateCopies;
use crate::configuration::public_url::PublicUrl;
use crate::configuration::source::{ConfigSource, LoadedConfig};
use crate::logging::Logging;
use crate::os::lock::Lock;
use crate::os::notify::Notifier;
use crate::os::notify_socket::NotifySocket;
use crate::os::signals::Signals;

/// What [`Supervisor::new`] takes up.
pub(crate) struct SupervisorConfig {
    pub(crate) home: Home,
    /// The proxy's copies of certificates that root alone reads.
    pub(crate) copies: Option<CertificateCopies>,
    pub(crate) lock: Lock,
    pub(crate) signals: Signals,
    pub(crate) logging: Logging,
    pub(crate) source: ConfigSource,
    pub(crate) config: Config,
    pub(crate) renewal: Renewal,
    pub(crate) acme: AcmeManager,
    /// Where to find the binary that takes over on SIGUSR2.
    pub(crate) binary: io::Result<PathBuf>,
    /// The service manager that started this, if one did, and how often it wants a sign of life.
    pub(crate) manager: Notifier,
    pub(crate) manager_watchdog: Option<Duration>,
    pub(crate) url: PublicUrl,
}

/// `run/notify.sock`, which children notify, and `run/lockgate.sock`, where commands ask.
pub(crate) struct ControlSockets {
    notify: NotifySocket,
    control: ControlSocket,
}

impl ControlSockets {
    pub(crate) fn open(home: &Home) -> Result<Self, SuperviseError> {
        Ok(Self {
            notify: NotifySocket::bind(&notify_socket(home)).map_err(system("open run/notify.sock"))?,
            control: ControlSocket::listen(&home.control_socket())?,
        })
    }

    /// Goes on with the descriptors that another binary left.
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

/// `config`, `source`, `url` and `current` are what is in force; they are exchanged together.
pub(crate) struct Supervisor {
    pub(super) home: Home,
    pub(super) lock: Lock,
    pub(super) signals: Signals,
    pub(super) logging: Logging,
    pub(super) notify: NotifySocket,
    pub(super) control: ControlSocket,
    pub(super) manager: Notifier,
    pub(super) manager_watchdog: Option<Duration>,
    pub(super) next_ping: Option<Instant>,
    pub(super) binary: io::Result<PathBuf>,
    pub(super) started: Instant,
    /// When both children were ready for the first time.
    pub(super) first_served: Option<Instant>,

    pub(super) phase: Phase,
    pub(super) source: ConfigSource,
    pub(super) config: Config,
    pub(super) url: PublicUrl,
    pub(super) current: Generation,
    /// Generations that were replaced, and finish what they have.
    pub(super) leaving: Vec<Generation>,

    pub(super) copies: Option<CertificateCopies>,
    pub(super) renewal: Renewal,
    pub(super) next_renewal: Instant,
    pub(super) acme: AcmeManager,
    pub(super) config_file: FileWatch,
    pub(super) run_dir: RunDirWatch,

    /// Another binary that is being asked whether it can take over.
    pub(super) upgrade_check: Option<UpgradeCheck>,
    pub(super) upgrade_error: Option<String>,
    pub(super) reload_error: Option<String>,
    /// A reload was asked for while processes were being replaced, or took up a configuration.
    pub(super) reload_again: bool,
    /// Why all processes end, when nobody asked for it.
    pub(super) failure: Option<SuperviseError>,
}

impl Supervisor {
    /// For children that are to be started.
    pub(crate) fn new(config: SupervisorConfig, sockets: ControlSockets, current: Generation) -> Self {
        let now = Instant::now();
        Self {
            home: config.home,
            lock: config.lock,
            signals: config.signals,
            logging: config.logging,
            notify: sockets.notify,
            control: sockets.control,
            manager: config.manager,
            manager_watchdog: config.manager_watchdog,
            next_ping: config.manager_watchdog.map(|_| now),
            binary: config.binary,
            started: now,
            first_served: None,
            phase: Phase::Starting,
            config_file: FileWatch::new(config.source.path(), now),
            source: config.source,
            config: config.config,
            url: config.url,
            current,
            leaving: Vec::new(),
            copies: config.copies,
            renewal: config.renewal,
            next_renewal: now + own_certificate_renewal::INTERVAL,
            acme: config.acme,
            run_dir: RunDirWatch::new(now),
            upgrade_check: None,
            upgrade_error: None,
            reload_error: None,
            reload_again: false,
            failure: None,
        }
    }

    /// In the place of another binary, which `started` then. Its children finish what they have once those of `next`
    /// serve; without a `next`, for this reason, they go on.
    pub(crate) fn adopting(
        mut self,
        leaving: Vec<Generation>,
        next: Result<Replacement, String>,
        started: Instant,
    ) -> Self {
        self.first_served = Some(started);
        self.started = started;
        self.leaving = leaving;
        match next {
            Ok(next) => self.phase = Phase::Replacing(Box::new(next)),
            Err(reason) => {
                tracing::error!("the old processes go on under this binary, no new ones are started: {reason}");
                self.phase = Phase::Serving;
                self.upgrade_error = Some(reason);
                self.manager.send("READY=1");
            }
        }
        self
    }

    pub(super) fn generations_mut(&mut self) -> impl Iterator<Item = &mut Generation> {
        let next = match &mut self.phase {
            Phase::Replacing(next) => Some(&mut next.generation),
            _ => None,
        };
        self.leaving.iter_mut().chain([&mut self.current]).chain(next)
    }

    /// The phase once nothing is being replaced or applied any more.
    fn settled(&self) -> Phase {
        match self.first_served {
            Some(_) => Phase::Serving,
            None => Phase::Starting,
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. })
    }

    /// Whether new processes are being started.
    pub(super) fn is_replacing(&self) -> bool {
        matches!(self.phase, Phase::Replacing(_))
    }

    /// Whether the processes that run, or the configuration that they run with, may be others in a moment.
    pub(super) fn is_changing(&self) -> bool {
        matches!(self.phase, Phase::Replacing(_) | Phase::Applying { .. })
    }

    /// Ends the replacement that is under way, if one is.
    pub(super) fn take_replacement(&mut self) -> Option<Replacement> {
        let phase = self.settled();
        match std::mem::replace(&mut self.phase, phase) {
            Phase::Replacing(next) => Some(*next),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Ends the rollout that is under way, if one is: gives the configuration that was in force before.
    pub(super) fn take_rollout(&mut self) -> Option<LoadedConfig> {
        let phase = self.settled();
        match std::mem::replace(&mut self.phase, phase) {
            Phase::Applying { previous, .. } => Some(*previous),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// How clients reach what is in force.
    pub(super) fn public_url(&self) -> PublicUrl {
        PublicUrl::of(&self.config, self.renewal.hosts(), self.public_address())
    }

    /// Where the current proxy listens; where the configuration says while it has no socket.
    pub(super) fn public_address(&self) -> &Address {
        self.current.public_address().unwrap_or(&self.config.http.addr)
    }
}
