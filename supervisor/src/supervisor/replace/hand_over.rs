//! New processes take the place of old ones without an interruption: for an upgrade, and for a reload that needs it.
//!
//! ```text
//! start the new registry on a socket of its own ─▶ ready: give that socket its public name
//!   ─▶ start the new proxy beside the old one, on the same listening sockets ─▶ ready: the old proxy accepts no more
//!   ─▶ it finished its requests: the old registry ends
//! ```
//!
//! In this order no request meets a registry that is about to end: each proxy talks to the registry that was there when
//! it connected. New processes that do not become ready are killed, and the old ones go on.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::replacement::{Replacement, ReplacementReason, forget_backup};
use crate::supervisor::phase::Phase;
use crate::supervisor::state::Supervisor;

impl Supervisor {
    /// Goes on with a hand-over that has begun.
    pub(in crate::supervisor) fn hand_over_tick(&mut self, now: Instant) {
        let Phase::Replacing(next) = &mut self.phase else {
            return;
        };
        if let Err(error) = next.publish_if_ready(&self.home, now) {
            return self.abandon_hand_over(&format!("run/registry.sock cannot be replaced: {error}"));
        }
        if next.generation.is_ready() {
            self.complete_hand_over();
        }
    }

    fn complete_hand_over(&mut self) {
        let Some(next) = self.take_replacement() else { return };
        forget_backup(&self.home);
        self.logging.reload(&next.config.log, &self.home.log());
        let limit = next.config.http.hand_over_timeout;
        (self.source, self.config) = (next.source, next.config);
        let mut previous = std::mem::replace(&mut self.current, next.generation);
        self.url = self.public_url();
        tracing::info!(
            generation = self.current.number,
            finish_within_s = limit.as_secs(),
            "new processes serve; the old ones finish their requests"
        );
        previous.begin_drain(Signal::SIGUSR2, limit);
        self.leaving.push(previous);
        match next.reason {
            ReplacementReason::Reload => self.reload_error = None,
            ReplacementReason::Upgrade => self.upgrade_error = None,
            ReplacementReason::LostSocket => {}
        }
        self.record_served();
        self.manager.send("READY=1\nSTATUS=serving");
        self.reload_if_asked_meanwhile();
    }

    /// Gives up a hand-over that has begun, if one has: the old processes go on.
    pub(in crate::supervisor) fn abandon_hand_over(&mut self, reason: &str) {
        let Some(next) = self.take_replacement() else { return };
        tracing::error!("the old processes go on, the new ones did not become ready: {reason}");
        let error = format!("the new processes did not become ready: {reason}");
        match next.reason {
            ReplacementReason::Reload => self.reload_error = Some(error),
            ReplacementReason::Upgrade => self.upgrade_error = Some(error),
            ReplacementReason::LostSocket => self.run_dir.failed(error),
        }
        self.discard(next);
        self.renewal.reload(&self.config);
        self.acme.reload(&self.config);
        if let Some(copies) = &mut self.copies {
            copies.go_back_to(&self.config);
        }
        self.manager.send("READY=1\nSTATUS=serving");
        self.reload_if_asked_meanwhile();
    }

    /// The end was asked for: new processes are not needed any more.
    pub(in crate::supervisor) fn cancel_hand_over(&mut self) {
        if let Some(next) = self.take_replacement() {
            self.discard(next);
        }
    }

    fn discard(&mut self, mut next: Replacement) {
        if let Err(error) = next.unpublish(&self.home) {
            tracing::error!("run/registry.sock cannot be put back: {error}");
        }
        next.generation.kill();
        self.leaving.push(next.generation);
    }
}
