//! The backend as a whole: what its threads share, and how they are started.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use lockgate_files::BufferPool;
use tokio::sync::Semaphore;

use super::disk::crash_recovery::CrashRecovery;
use super::disk::durable::Durable;
use super::disk::files;
use super::disk::reader;
use super::disk::staging::Staging;
use super::locks::repository_locks::RepositoryLocks;
use super::locks::upload_lease::Leases;
use crate::storage::{Error, Layout, Result};

/// What the configuration says about files.
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
    pub(crate) inner: Arc<Inner>,
    permits: Arc<Semaphore>,
}

/// What the threads share.
pub(crate) struct Inner {
    pub(crate) layout: Layout,
    pub(crate) durable: Durable,
    pub(crate) locks: RepositoryLocks,
    pub(crate) leases: Arc<Leases>,
    pub(crate) buffers: BufferPool,
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

    /// Runs `work` on a blocking thread. It runs to its end even when the caller goes away.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T>
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
                Err(_) => Err(Error::io("reach", self.inner.layout.blobs())(io::Error::other(
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
            files::make_dir(missing).map_err(Error::io("create directory", missing))?;
            files::sync_dir(files::parent(missing))?;
        }
    }
    Ok(())
}
