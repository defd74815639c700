//! The orderly end: the proxy finishes what it serves, then the registry what it stores; both within one deadline.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::Supervisor;
use super::state::Phase;

/// What the registry gets when the proxy used up the time: to keep hash states, not to finish bodies.
const LAST_GRACE: Duration = Duration::from_secs(1);
/// What a child gets when the other one is hopeless.
const FAILURE_GRACE: Duration = Duration::from_secs(5);

/// How far the drain is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    /// Nobody asked.
    #[default]
    No,
    /// The proxy finishes.
    Proxy { deadline: Instant },
    /// The registry finishes.
    Registry,
}

impl Supervisor {
    /// Somebody asked for the end: once to drain, twice to end at once.
    pub(super) fn stop(&mut self) {
        if self.drain != Drain::No {
            tracing::warn!("asked again: ending at once");
            for child in &mut self.plan.children {
                child.life.drain(Instant::now());
                child.kill();
            }
            return;
        }
        let limit = self.plan.config.http.drain_timeout;
        tracing::info!(
            limit_s = limit.as_secs(),
            "draining: no new connections, requests in flight are finished"
        );
        self.begin_drain(limit);
    }

    /// Goes on with a drain that has begun, and begins one when there is no hope.
    pub(super) fn drain_on(&mut self, now: Instant) {
        if self.failure.is_some() && self.drain == Drain::No {
            self.begin_drain(FAILURE_GRACE);
        }
        let [proxy, registry] = &mut self.plan.children;
        if let Drain::Proxy { deadline } = self.drain
            && proxy.life.phase() == Phase::Stopped
            && proxy.pid.is_none()
        {
            self.drain = Drain::Registry;
            registry.sockets.clear();
            registry.life.drain(deadline.max(now + LAST_GRACE));
            registry.signal(Signal::SIGTERM);
        }
    }

    fn begin_drain(&mut self, limit: Duration) {
        self.plan.manager.send("STOPPING=1");
        let deadline = Instant::now() + limit;
        self.drain = Drain::Proxy { deadline };
        let [proxy, _] = &mut self.plan.children;
        // The last copy but the proxy's own: from now on a new connection is refused, not left waiting.
        proxy.sockets.clear();
        proxy.life.drain(deadline);
        proxy.signal(Signal::SIGTERM);
    }
}
