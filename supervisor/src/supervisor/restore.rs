//! Makes again what was removed below `run/` while it is in use: programs that clean temporary directories do that.
//!
//! The supervisor's own sockets and its pid file are bound and written anew. The registry's socket belongs to a running
//! process that cannot be given another, so a new pair of processes takes over, as in an upgrade.

use std::time::Instant;

use super::child_process::ChildSpec;
use super::phase::Phase;
use super::replace::replacement::{Replacement, ReplacementReason, ReplacementSpec};
use super::state::Supervisor;
use crate::configuration::listeners::Listeners;
use crate::os::listen::is_missing;
use crate::setup::{SetupError, ownership, prepare_directories};

impl Supervisor {
    /// Looks, when it is time, whether everything below `run/` is there, and makes again what is not.
    pub(super) fn restore_what_was_removed(&mut self, now: Instant) {
        if now < self.run_dir.next() || self.is_ending() {
            return;
        }
        self.run_dir.looked(now);
        let home = self.home.clone();
        if (!home.run().is_dir() || !home.challenges().is_dir())
            && let Err(error) = self.restore_directories()
        {
            return self
                .run_dir
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
                self.lock.restore(&home.pid_file()).map_err(|error| error.to_string()),
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
        self.run_dir.tell(errors);
        if is_missing(&home.registry_socket()) {
            self.restore_registry_socket(now);
        } else {
            self.run_dir.is_back(now);
        }
    }

    fn restore_directories(&self) -> Result<(), SetupError> {
        let home = &self.home;
        prepare_directories(home)?;
        if let Some(users) = &self.current.spec.users {
            ownership::apply(&self.config, home, users)?;
        }
        tracing::warn!("run/ was removed while it is in use, and was made again");
        Ok(())
    }

    /// New processes bind it; the old ones finish the requests that they have.
    fn restore_registry_socket(&mut self, now: Instant) {
        let is_busy = self.is_changing() || self.upgrade_check.is_some();
        if is_busy || !self.current.is_ready() || now < self.run_dir.next_try() {
            return;
        }
        tracing::warn!("run/registry.sock was removed while it is in use: new processes make it again");
        match self.replacement_of_current() {
            Ok(replacement) => self.phase = Phase::Replacing(Box::new(replacement)),
            Err(error) => self.run_dir.failed(error),
        }
    }

    fn replacement_of_current(&self) -> Result<Replacement, String> {
        let listeners =
            Listeners::open(&self.config.http, &self.current.sockets()).map_err(|error| error.to_string())?;
        let spec = ReplacementSpec {
            source: self.source.clone(),
            config: self.config.clone(),
            child_spec: ChildSpec {
                rules: self.rules(&self.config),
                ..self.current.spec.clone()
            },
        };
        let (home, number) = (&self.home, self.current.number);
        Replacement::new(home, number, spec, listeners, ReplacementReason::LostSocket)
            .map_err(|error| error.to_string())
    }
}
