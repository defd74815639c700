//! Permits that requests take and give back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Some permits, half of them reserved.
#[derive(Debug)]
pub(crate) struct PermitPool {
    number: usize,
    everybody: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl PermitPool {
    pub(crate) fn new(number: usize) -> Self {
        let number = number.min(Semaphore::MAX_PERMITS);
        Self {
            number,
            everybody: Arc::new(Semaphore::new(number.div_ceil(2))),
            reserved: Arc::new(Semaphore::new(number / 2)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A permit that is free now.
    pub(crate) fn try_acquire(&self, may_use_reserved: bool) -> Option<OwnedSemaphorePermit> {
        let reserved = may_use_reserved.then(|| self.reserved.clone().try_acquire_owned().ok());
        reserved
            .flatten()
            .or_else(|| self.everybody.clone().try_acquire_owned().ok())
    }

    /// A permit that becomes free before `deadline`. As many may wait as there are permits: one that waits takes memory too.
    pub(crate) async fn acquire(&self, may_use_reserved: bool, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let _waits = WaitingGuard::begin(self)?;
        let (everybody, reserved) = (self.everybody.clone(), self.reserved.clone());
        let permit = async {
            tokio::select! {
                permit = reserved.acquire_owned(), if may_use_reserved => permit,
                permit = everybody.acquire_owned() => permit,
            }
        };
        timeout_at(deadline, permit).await.ok()?.ok()
    }
}

struct WaitingGuard<'a>(&'a AtomicUsize);

impl<'a> WaitingGuard<'a> {
    fn begin(permits: &'a PermitPool) -> Option<Self> {
        let before = permits.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Self(&permits.waiting);
        (before < permits.number).then_some(waits)
    }
}

impl Drop for WaitingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
