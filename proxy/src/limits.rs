//! Every bound of the front door that no configuration key sets, and how what is open is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Bytes of a request target: 414 beyond. A token request with fifty scopes needs 5 KiB.
pub(crate) const URI_SIZE: usize = 16 * 1024;

/// Bytes of a request line with its fields: 431 beyond.
pub(crate) const HEAD_SIZE: usize = 64 * 1024;

/// Fields of a request that the registry's parser (actix-http) takes; it hangs up on one with more.
const REGISTRY_FIELDS: usize = 96;

/// Fields that a request may have more when it reaches the registry: six of [`crate::headers::Forwarded`], and of an h2
/// request `Host` and `Transfer-Encoding`.
const ADDED_FIELDS: usize = 8;

/// Fields of a request: 431 beyond.
pub(crate) const FIELDS: usize = REGISTRY_FIELDS - ADDED_FIELDS;

/// Bytes of `Host`: 400 beyond. A name has 253 (RFC 1035 section 2.3.4); the registry gets it twice.
pub(crate) const HOST_SIZE: usize = 300;

/// Bytes of a body that is read whole before the registry is asked anything: what Pingora keeps to send it again.
pub(crate) const SMALL_BODY: usize = 64 * 1024;

/// From the first byte of a request's head to its last, unless `http.limits.idletimeout` is shorter: 408 beyond.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(20);

/// TLS handshakes take this long at most.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long, and how many bytes, of a body nobody wants are still read after an early answer.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(5);
/// See [`LINGER_TIME`].
pub(crate) const LINGER_SIZE: usize = 64 * 1024 * 1024;

/// While draining, how long an idle keep-alive connection stays open for a request that is on its way: it is answered
/// with `Connection: close`, where a closed connection would fail it.
pub(crate) const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// The same when successors are serving already: nobody waits for the end, so there is time.
pub(crate) const LEAVE_GRACE: Duration = Duration::from_secs(5);

/// Connections beyond `http.limits.maxconnections` that are told so (503) instead of being closed without a word.
pub(crate) const REFUSED_CONNECTIONS: usize = 256;

/// Pause after the system refused a new connection for want of descriptors or memory.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Upstream connections rest in the pool for less than the registry's keep-alive of 75 s.
pub(crate) const UPSTREAM_IDLE: Duration = Duration::from_secs(60);

/// No byte from the registry for this long: 504. Finishing an upload waits for the disk in that time.
pub(crate) const UPSTREAM_SILENCE: Duration = Duration::from_secs(120);

/// First pause between attempts to reach a registry that is away; each further one is twice as long.
pub(crate) const UPSTREAM_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two attempts.
pub(crate) const UPSTREAM_PAUSE_MOST: Duration = Duration::from_millis(250);

/// How often a request is sent again: a request that kills the registry must not do so for ever.
pub(crate) const REPEATS: u32 = 3;

/// How long an upload that is gone on with may take to catch up: the registry hashes what it has of it again.
pub(crate) const CATCH_UP: Duration = UPSTREAM_SILENCE;

/// Seconds that `Retry-After` names while the registry is away or the door is full.
pub(crate) const RETRY_AFTER: u64 = 5;

/// h2 flow control: 64 KiB, the protocol's default, holds an upload back.
pub(crate) const H2_STREAM_WINDOW: u32 = 1024 * 1024;
/// See [`H2_STREAM_WINDOW`]; all uploads of one connection share it.
pub(crate) const H2_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Counts what is open and says when nothing is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    open: AtomicUsize,
    none: Notify,
}

impl Gauge {
    /// One more, until the slot is dropped.
    pub(crate) fn enter(&self) -> Slot {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        Slot(self.clone())
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.0.open.load(Ordering::Acquire)
    }

    /// Completes when nothing is open.
    pub(crate) async fn empty(&self) {
        loop {
            let none = self.0.none.notified();
            tokio::pin!(none);
            none.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            none.await;
        }
    }
}

/// A place taken in a [`Gauge`].
#[derive(Debug)]
pub(crate) struct Slot(Gauge);

impl Drop for Slot {
    fn drop(&mut self) {
        if self.0.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.none.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn empty_completes_when_the_last_slot_is_dropped() {
        let gauge = Gauge::default();
        gauge.empty().await;
        let (first, second) = (gauge.enter(), gauge.enter());
        let waiting = tokio::spawn({
            let gauge = gauge.clone();
            async move { gauge.empty().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }
}
