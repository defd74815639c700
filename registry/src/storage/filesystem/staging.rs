//! The place for files that are being written; one directory per process, locked while the process lives.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::durable::make_dir;
use crate::storage::{Error, Result};

/// This process's directory below `staging`, gone when the process ends in order.
pub(super) struct Staging {
    directory: PathBuf,
    next: AtomicU64,
    /// An flock that tells other processes that the directory is in use; the kernel drops it when the process dies.
    /// `None` on a read-only filesystem.
    lock: Option<File>,
}

impl Staging {
    /// Makes a directory of its own below `staging` and removes those of dead processes.
    /// Also gives whether there were any, which means that one did not end in order.
    pub(super) fn open(staging: &Path) -> Result<(Self, bool)> {
        let failed = |operation| Error::io(operation, staging);
        // Held meanwhile, so that no other process takes a directory for dead that is not locked yet.
        let gate = File::open(staging).map_err(failed("open"))?;
        gate.lock().map_err(failed("lock"))?;

        let mut crashed = false;
        for entry in fs::read_dir(staging).map_err(failed("list"))? {
            let path = entry.map_err(failed("list"))?.path();
            // What cannot be removed takes space, no more.
            crashed |= remove_if_dead(&path).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "what a dead process staged is not removed");
                true
            });
        }
        let directory = staging.join(uuid::Uuid::new_v4().to_string());
        make_dir(&directory).map_err(Error::io("create directory", &directory))?;
        let lock = File::open(&directory).map_err(Error::io("open", &directory))?;
        lock.lock().map_err(Error::io("lock", &directory))?;
        let staging = Self {
            directory,
            next: AtomicU64::new(0),
            lock: Some(lock),
        };
        Ok((staging, crashed))
    }

    /// For a filesystem that is read-only, where whatever is staged fails with just that.
    pub(super) fn read_only(staging: &Path) -> Self {
        Self {
            directory: staging.to_owned(),
            next: AtomicU64::new(0),
            lock: None,
        }
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.lock.is_none()
    }

    /// A name that nothing has yet.
    pub(super) fn next_path(&self) -> PathBuf {
        self.directory
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_read_only() {
            // What cannot be removed now is removed by the next start.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn remove_if_dead(directory: &Path) -> io::Result<bool> {
    match File::open(directory)?.try_lock() {
        Ok(()) => fs::remove_dir_all(directory).map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
