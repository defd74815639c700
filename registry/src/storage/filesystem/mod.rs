//! The backend that keeps everything in files, in the layout of CNCF distribution ([`Layout`]).
//!
//! ```text
//! upload/                                                  sessions, and the thread that hashes and writes
//! blobs  manifests  tags  referrers  catalog  health       one file a concern
//! locks/                                                   who may write, who may serve
//! disk/                                                    the only changes that a reader sees; reading
//! ```
//!
//! Small reads (links, manifests) happen inline: they come from the page cache, and a hop to another thread costs more
//! than they do. Changes and listings run on tokio's blocking threads, `max_threads` at once.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use lockgate_files::BufferPool;
use tokio::sync::Semaphore;

use super::{Error, Layout, Result};
use disk::crash_recovery::CrashRecovery;
use disk::durable::{self, Durable};
#[doc(hidden)]
pub use disk::failpoint;
use disk::reader;
use disk::staging::Staging;
use locks::repository_locks::RepositoryLocks;
pub use locks::root_lock::{InstanceId, RootLock, RootLockError};
use locks::upload_lease::Leases;

mod blobs;
mod catalog;
mod disk;
mod health;
mod locks;
mod manifests;
mod referrers;
mod tags;
mod upload;

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesystemSettings {
    /// `storage.filesystem.maxthreads`: blocking file operations at once.
    pub max_threads: usize,
}

impl Default for FilesystemSettings {
    fn default() -> Self {
        Self { max_threads: 100 }
    }
}

/// The filesystem backend; clones share one state.
#[derive(Clone)]
pub struct FilesystemStorage {
    inner: Arc<Inner>,
    permits: Arc<Semaphore>,
}

/// What the threads share.
struct Inner {
    layout: Layout,
    durable: Durable,
    locks: RepositoryLocks,
    leases: Arc<Leases>,
    buffers: BufferPool,
}

impl FilesystemStorage {
    /// Opens the tree below `root` and makes what is missing of it. What dead processes left is read at once and brought
    /// to disk meanwhile; changes wait for that.
    /// A tree on a read-only filesystem can be read, and is healthy.
    pub fn open(root: &Path, settings: FilesystemSettings) -> Result<Self> {
        let layout = Layout::new(root);
        let opened = make_tree(root, &layout).and_then(|()| Staging::open(layout.staging()));
        let (staging, dead) = match opened {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::ReadOnlyFilesystem => {
                tracing::warn!(root = %root.display(), "storage is on a read-only filesystem: nothing can be pushed");
                (Staging::read_only(layout.staging()), Vec::new())
            }
            opened => opened?,
        };
        let crash_recovery = Arc::new(CrashRecovery::from(root, dead));
        crash_recovery.settle_meanwhile();
        let inner = Inner {
            durable: Durable::new(staging, crash_recovery),
            locks: RepositoryLocks::default(),
            leases: Arc::default(),
            buffers: reader::buffers(),
            layout,
        };
        Ok(Self {
            inner: Arc::new(inner),
            permits: Arc::new(Semaphore::new(settings.max_threads.max(1))),
        })
    }

    /// The directory that [`Blob::file`](super::Blob::file) is relative to.
    pub fn blob_root(&self) -> &Path {
        self.inner.layout.blobs()
    }

    /// Runs `work` on a blocking thread. It runs to its end even when the caller goes away.
    async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&Inner) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
        let inner = Arc::clone(&self.inner);
        let work = move || {
            let _permit = permit;
            work(&inner)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::io("reach", self.blob_root())(io::Error::other(
                    "the registry is shutting down",
                ))),
            },
        }
    }
}

/// distribution makes `blobs` and `repositories` when it first writes; its garbage collector fails without them.
fn make_tree(root: &Path, layout: &Layout) -> Result<()> {
    for directory in [root, layout.blobs(), layout.repositories(), layout.staging()] {
        let missing: Vec<_> = directory.ancestors().take_while(|dir| !dir.is_dir()).collect();
        for missing in missing.into_iter().rev() {
            durable::make_dir(missing).map_err(Error::io("create directory", missing))?;
            durable::sync_dir(durable::parent(missing))?;
        }
    }
    Ok(())
}
