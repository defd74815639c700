//! The orderly end: requests in flight are finished, then the processes end.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::generation::Generation;
use super::phase::Phase;
use super::state::Supervisor;

/// How long the others may drain when one child is given up.
const FAILURE_GRACE: Duration = Duration::from_secs(5);
/// Signals within this time are one wish: timeout(1) signals its child and then the child's whole group, itself included.
const SAME_REQUEST: Duration = Duration::from_millis(100);

impl Supervisor {
    /// Asked for once, all drain; asked for again, all end at once.
    pub(super) fn stop(&mut self) {
        if let Phase::Ending { since } = &mut self.phase {
            let first = since.get_or_insert_with(Instant::now);
            if first.elapsed() >= SAME_REQUEST {
                tracing::warn!("asked again: ending at once");
                self.generations_mut().for_each(Generation::kill);
            }
            return;
        }
        let limit = self.config.http.drain_timeout;
        tracing::info!(
            limit_s = limit.as_secs(),
            "draining: no new connections, requests in flight are finished"
        );
        self.begin_end(Some(Instant::now()), limit);
    }

    /// Ends all processes when a child will never serve.
    pub(super) fn give_up_if_hopeless(&mut self) {
        if self.failure.is_some() && !self.is_ending() {
            self.begin_end(None, FAILURE_GRACE);
        }
    }

    fn begin_end(&mut self, since: Option<Instant>, limit: Duration) {
        self.manager.send("STOPPING=1");
        self.cancel_hand_over();
        self.phase = Phase::Ending { since };
        if let Some(check) = &mut self.upgrade_check {
            check.end();
        }
        self.generations_mut()
            .for_each(|generation| generation.begin_drain(Signal::SIGTERM, limit));
    }
}
