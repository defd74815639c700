//! One writer at a time per upload, within this process; between processes the lock on its data sees to that.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::storage::UploadId;

/// A client that was cut comes back at once, while its old writer still brings what it got to disk.
const LEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Who writes to which upload.
#[derive(Default)]
pub(crate) struct Leases(Mutex<HashMap<UploadId, Arc<LeaseEntry>>>);

#[derive(Default)]
struct LeaseEntry {
    turn: Arc<AsyncMutex<()>>,
    /// The writer gets no more bytes and is about to end.
    ending: AtomicBool,
}

impl Leases {
    /// Waits a while for a writer that is there to end; `None` when it does not.
    pub(crate) async fn take(self: &Arc<Self>, id: &UploadId) -> Option<Lease> {
        let mut lease = self.enter(id);
        let turn = Arc::clone(&lease.entry.turn).lock_owned();
        lease.held(tokio::time::timeout(LEASE_TIMEOUT, turn).await.ok()?);
        Some(lease)
    }

    /// `None` when there is a writer.
    pub(crate) fn try_take(self: &Arc<Self>, id: &UploadId) -> Option<Lease> {
        let mut lease = self.enter(id);
        let turn = Arc::clone(&lease.entry.turn).try_lock_owned().ok()?;
        lease.held(turn);
        Some(lease)
    }

    /// Whether somebody in this process writes or waits.
    pub(crate) fn is_taken(&self, id: &UploadId) -> bool {
        self.entries().contains_key(id)
    }

    /// Waits until a writer that gets no more bytes has ended, so that the upload stands where it will stand.
    pub(crate) async fn settled(self: &Arc<Self>, id: &UploadId) {
        let ending = self
            .entries()
            .get(id)
            .is_some_and(|entry| entry.ending.load(Ordering::Acquire));
        if ending {
            drop(self.take(id).await);
        }
    }

    fn enter(self: &Arc<Self>, id: &UploadId) -> Lease {
        Lease {
            entry: Arc::clone(self.entries().entry(id.clone()).or_default()),
            id: id.clone(),
            leases: Arc::clone(self),
            turn: None,
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<LeaseEntry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write to an upload, until dropped.
pub(crate) struct Lease {
    leases: Arc<Leases>,
    id: UploadId,
    entry: Arc<LeaseEntry>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Lease {
    /// For the side that feeds the writer, which may not live as long as the lease.
    pub(crate) fn ending(&self) -> EndNotice {
        EndNotice(Arc::downgrade(&self.entry))
    }

    fn held(&mut self, turn: OwnedMutexGuard<()>) {
        self.entry.ending.store(false, Ordering::Release);
        self.turn = Some(turn);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.turn = None;
        let mut entries = self.leases.entries();
        // The map and this lease: nobody else waits or writes.
        if Arc::strong_count(&self.entry) <= 2 {
            entries.remove(&self.id);
        }
    }
}

/// Says that a writer gets no more bytes.
pub(crate) struct EndNotice(Weak<LeaseEntry>);

impl EndNotice {
    pub(crate) fn announce(&self) {
        if let Some(entry) = self.0.upgrade() {
            entry.ending.store(true, Ordering::Release);
        }
    }
}
