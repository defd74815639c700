//! Makes again what was removed below `run/` while it is in use: programs that clean temporary directories do that.
//!
//! The supervisor's own sockets and its pid file are bound and written anew. The registry's socket belongs to a running
//! process that cannot be given another, so a new pair of processes takes over, as in an upgrade.

use std::time::{Duration, Instant};

use super::Supervisor;
use super::replace::hand_over::{Replacement, ReplacementReason, ReplacementSpec};
use crate::configuration::listeners;
use crate::os::listen::is_missing;
use crate::setup::{SetupError, ownership, prepare_directories};

/// How often to look: four `stat` calls. A lost socket shall be back within a second, new processes included.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long to wait after new processes did not become ready, the first time, and at most.
const RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// When to look next, and what could not be restored.
#[derive(Debug)]
pub(super) struct Restore {
    next_look: Instant,
    next_try: Instant,
    retry: Duration,
    /// Why the registry's socket is still missing.
    pub(super) error: Option<String>,
    /// What could not be made again the last time.
    told: Vec<String>,
}

impl Restore {
    /// Everything is there.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_look: now + INTERVAL,
            next_try: now,
            retry: RETRY,
            error: None,
            told: Vec::new(),
        }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.next_look
    }

    /// Says what cannot be made again, once.
    fn tell(&mut self, errors: Vec<String>) {
        if errors != self.told {
            errors.iter().for_each(|error| tracing::error!("{error}"));
            self.told = errors;
        }
    }

    /// New processes did not become ready.
    pub(super) fn failed(&mut self, error: String) {
        tracing::error!("run/registry.sock was removed and is not back: {error}");
        self.error = Some(error);
        self.next_try = Instant::now() + self.retry;
        self.retry = (self.retry * 4).min(LONGEST_RETRY);
    }

    /// It is there.
    fn is_back(&mut self, now: Instant) {
        (self.error, self.next_try, self.retry) = (None, now, RETRY);
    }
}

impl Supervisor {
    /// Looks, when it is time, whether everything below `run/` is there, and makes again what is not.
    pub(super) fn restore_what_was_removed(&mut self, now: Instant) {
        if now < self.restore.next() || self.is_ending {
            return;
        }
        self.restore.next_look = now + INTERVAL;
        let home = self.plan.home.clone();
        if (!home.run().is_dir() || !home.challenges().is_dir())
            && let Err(error) = self.restore_directories()
        {
            return self
                .restore
                .tell(vec![format!("run/ was removed while it is in use: {error}")]);
        }
        let restored = [
            (
                "run/lockgate.sock",
                self.control.restore().map_err(|error| error.to_string()),
            ),
            (
                "run/notify.sock",
                self.notify.restore().map_err(|error| error.to_string()),
            ),
            (
                "run/lockgate.pid",
                self.plan
                    .lock
                    .restore(&home.pid_file())
                    .map_err(|error| error.to_string()),
            ),
        ];
        let mut errors = Vec::new();
        for (name, restored) in restored {
            match restored {
                Ok(true) => tracing::warn!("{name} was removed while it is in use, and was made again"),
                Ok(false) => {}
                Err(error) => errors.push(format!("{name} was removed while it is in use: {error}")),
            }
        }
        self.restore.tell(errors);
        if is_missing(&home.registry_socket()) {
            self.restore_registry_socket(now);
        } else {
            self.restore.is_back(now);
        }
    }

    fn restore_directories(&self) -> Result<(), SetupError> {
        let home = &self.plan.home;
        prepare_directories(home)?;
        if let Some(users) = &self.current.spec.users {
            ownership::settle(&self.plan.config, home, users)?;
        }
        tracing::warn!("run/ was removed while it is in use, and was made again");
        Ok(())
    }

    /// New processes bind it; the old ones finish the requests that they have.
    fn restore_registry_socket(&mut self, now: Instant) {
        let is_busy = self.next.is_some() || self.upgrade_check.is_some() || self.rollout.is_some();
        if is_busy || !self.current.is_ready() || now < self.restore.next_try {
            return;
        }
        tracing::warn!("run/registry.sock was removed while it is in use: new processes make it again");
        match self.replacement_of_current() {
            Ok(replacement) => self.next = Some(replacement),
            Err(error) => self.restore.failed(error),
        }
    }

    fn replacement_of_current(&self) -> Result<Replacement, String> {
        let known: Vec<_> = self.current.children.iter().flat_map(|child| &child.sockets).collect();
        let sockets = listeners::open(&self.plan.config.http, &known).map_err(|error| error.to_string())?;
        let mut spec = self.current.spec.clone();
        spec.rules = self.rules(&self.plan.config);
        let spec = ReplacementSpec {
            source: self.plan.source.clone(),
            config: self.plan.config.clone(),
            spec,
        };
        let (home, number) = (&self.plan.home, self.current.number);
        Replacement::new(home, number, spec, sockets, ReplacementReason::LostSocket).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_again_soon_and_less_and_less_often_while_it_fails() {
        let now = Instant::now();
        let mut restore = Restore::new(now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let failed = Instant::now();
            restore.failed("why".into());
            pauses.push((restore.next_try - failed).as_secs_f64().round());
        }
        assert_eq!(pauses, [0.0, 1.0, 4.0, 16.0, 30.0, 30.0]);
        restore.is_back(now);
        assert!(restore.error.is_none() && restore.next_try == now);
        restore.failed("why".into());
        assert!(restore.next_try <= Instant::now() + RETRY);
    }
}
