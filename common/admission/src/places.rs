//! Places that requests take and give back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Some places, half of them reserved.
#[derive(Debug)]
pub(crate) struct Places {
    number: usize,
    everybody: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Places {
    pub(crate) fn new(number: usize) -> Self {
        let number = number.min(Semaphore::MAX_PERMITS);
        Self {
            number,
            everybody: Arc::new(Semaphore::new(number.div_ceil(2))),
            reserved: Arc::new(Semaphore::new(number / 2)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A place that is free now.
    pub(crate) fn try_take(&self, may_use_reserved: bool) -> Option<OwnedSemaphorePermit> {
        let reserved = may_use_reserved.then(|| self.reserved.clone().try_acquire_owned().ok());
        reserved
            .flatten()
            .or_else(|| self.everybody.clone().try_acquire_owned().ok())
    }

    /// A place that becomes free before `deadline`. As many may wait as there are places: one that waits takes memory too.
    pub(crate) async fn take(&self, may_use_reserved: bool, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let _waits = Waits::begin(self)?;
        let (everybody, reserved) = (self.everybody.clone(), self.reserved.clone());
        let place = async {
            tokio::select! {
                place = reserved.acquire_owned(), if may_use_reserved => place,
                place = everybody.acquire_owned() => place,
            }
        };
        timeout_at(deadline, place).await.ok()?.ok()
    }
}

struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(places: &'a Places) -> Option<Self> {
        let before = places.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Self(&places.waiting);
        (before < places.number).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
