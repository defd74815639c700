//! Counts what is open and says when nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts what is open and says when nothing is.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    open: AtomicUsize,
    none: Notify,
}

impl InFlight {
    /// One more, until the slot is dropped.
    pub(crate) fn enter(&self) -> InFlightGuard {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        InFlightGuard(self.clone())
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

/// A place taken in a [`InFlight`].
#[derive(Debug)]
pub(crate) struct InFlightGuard(InFlight);

impl Drop for InFlightGuard {
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
        let in_flight = InFlight::default();
        in_flight.empty().await;
        let (first, second) = (in_flight.enter(), in_flight.enter());
        let waiting = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.empty().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }
}
