//! The orderly end of everything.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::Supervisor;

/// What children get when one of them is hopeless.
const FAILURE_GRACE: Duration = Duration::from_secs(5);
/// Signals within this time are one wish: timeout(1) signals its child and then the child's whole group, itself included.
const SAME_REQUEST: Duration = Duration::from_millis(100);

impl Supervisor {
    /// Somebody asked for the end: once to drain, twice to end at once.
    pub(super) fn stop(&mut self) {
        let asked = self.asked_to_end.get_or_insert_with(Instant::now);
        if self.is_ending {
            if asked.elapsed() < SAME_REQUEST {
                return;
            }
            tracing::warn!("asked again: ending at once");
            self.generations_mut().for_each(super::generation::Generation::kill);
            return;
        }
        let limit = self.plan.config.http.drain_timeout;
        tracing::info!(
            limit_s = limit.as_secs(),
            "draining: no new connections, requests in flight are finished"
        );
        self.begin_end(limit);
    }

    /// Ends everything when there is no hope.
    pub(super) fn give_up_if_hopeless(&mut self) {
        if self.failure.is_some() && !self.is_ending {
            self.begin_end(FAILURE_GRACE);
        }
    }

    fn begin_end(&mut self, limit: Duration) {
        self.is_ending = true;
        self.plan.manager.send("STOPPING=1");
        self.cancel_hand_over();
        self.rollout = None;
        if let Some(upgrade_check) = &mut self.upgrade_check {
            upgrade_check.end();
        }
        self.generations_mut()
            .for_each(|generation| generation.begin_drain(Signal::SIGTERM, limit));
    }
}
