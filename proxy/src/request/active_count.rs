//! How many connections or requests are open, and when none is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A count of what is open; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct ActiveCount(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    open: AtomicUsize,
    none: Notify,
}

impl ActiveCount {
    /// Counts one more until the guard is dropped.
    pub(crate) fn enter(&self) -> ActiveGuard {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        ActiveGuard(self.clone())
    }

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

/// Counts one in an [`ActiveCount`] until it is dropped.
#[derive(Debug)]
pub(crate) struct ActiveGuard(ActiveCount);

impl Drop for ActiveGuard {
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
        let active = ActiveCount::default();
        active.empty().await;
        let (first, second) = (active.enter(), active.enter());
        let waiting = tokio::spawn({
            let active = active.clone();
            async move { active.empty().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }
}
