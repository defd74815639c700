//! The place for files that are being written; one directory per process, locked while the process lives.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lockgate_files::flock::{self, Kind};

use super::crash_recovery;
use super::files::make_dir;
use crate::storage::{Error, Result};

/// This process's directory below `staging`, gone when the process ends in order.
pub(crate) struct Staging {
    directory: PathBuf,
    next: AtomicU64,
    /// An flock that tells other processes that the directory is in use; the kernel drops it when the process dies.
    /// `None` on a read-only filesystem.
    lock: Option<File>,
}

impl Staging {
    /// Makes a directory of its own below `staging`. Also gives those of dead processes, which did not end in order.
    pub(crate) fn open(staging: &Path) -> Result<(Self, Vec<PathBuf>)> {
        let failed = |operation| Error::io(operation, staging);
        // Held meanwhile, so that no other process takes a directory for dead that is not locked yet.
        let gate = File::open(staging).map_err(failed("open"))?;
        flock::lock(&gate, Kind::Exclusive).map_err(failed("lock"))?;

        let mut dead = Vec::new();
        for entry in fs::read_dir(staging).map_err(failed("list"))? {
            let path = entry.map_err(failed("list"))?.path();
            if is_dead(&path) {
                dead.push(path);
            }
        }
        let directory = staging.join(uuid::Uuid::new_v4().to_string());
        let make = || make_dir(&directory).map_err(Error::io("create directory", &directory));
        match make() {
            // The dead may hold the space that is missing.
            Err(Error::Full { .. }) => {
                crash_recovery::settle(staging, &std::mem::take(&mut dead))?;
                make()?;
            }
            made => made?,
        }
        let lock = File::open(&directory).map_err(Error::io("open", &directory))?;
        flock::lock(&lock, Kind::Exclusive).map_err(Error::io("lock", &directory))?;
        let staging = Self {
            directory,
            next: AtomicU64::new(0),
            lock: Some(lock),
        };
        Ok((staging, dead))
    }

    /// For a filesystem that is read-only, where whatever is staged fails with just that.
    pub(crate) fn read_only(staging: &Path) -> Self {
        Self {
            directory: staging.to_owned(),
            next: AtomicU64::new(0),
            lock: None,
        }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.lock.is_none()
    }

    /// A name that nothing has yet.
    pub(crate) fn next_path(&self) -> PathBuf {
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

/// Nobody holds its lock. One that cannot be asked counts as dead: a sync too many does no harm.
fn is_dead(directory: &Path) -> bool {
    match File::open(directory) {
        Ok(directory) => !matches!(flock::try_lock(&directory, Kind::Exclusive), Ok(false)),
        // Gone by now: it ended in order.
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}
