//! Recovery after a crash: what a dead process renamed is visible, and perhaps not on disk yet.
//!
//! It is read at once, so that a restart waits for no disk. What is acknowledged on top of it waits until it is on disk:
//! a client that finds a blob does not push it again, and the manifest that names it must not outlive it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::storage::{Error, Result};

/// What an earlier process left, until it is on disk.
#[derive(Default)]
pub(crate) struct CrashRecovery(Mutex<Option<Unsettled>>);

struct Unsettled {
    root: PathBuf,
    /// Staging directories of the dead. They go last: until then each further process knows that there is something to
    /// bring to disk.
    dead: Vec<PathBuf>,
}

impl CrashRecovery {
    /// What the processes left that had these staging directories, in the tree below `root`.
    pub(crate) fn from(root: &Path, dead: Vec<PathBuf>) -> Self {
        let root = root.to_owned();
        Self(Mutex::new((!dead.is_empty()).then_some(Unsettled { root, dead })))
    }

    /// Settles on a thread of its own; where there can be none, the first change does it.
    pub(crate) fn settle_meanwhile(self: &Arc<Self>) {
        if self.unsettled().is_none() {
            return;
        }
        let crash_recovery = Arc::clone(self);
        let settle = move || {
            if let Err(error) = crash_recovery.settle() {
                tracing::error!(%error, "what an earlier process left may not be on disk; the next change tries again");
            }
        };
        if let Err(error) = thread::Builder::new().name("settle".to_owned()).spawn(settle) {
            tracing::debug!(%error, "no thread to bring to disk what an earlier process left");
        }
    }

    /// Returns when all of it is on disk. Who comes first brings it there, the others wait.
    pub(crate) fn settle(&self) -> Result<()> {
        let mut unsettled = self.unsettled();
        let Some(Unsettled { root, dead }) = &*unsettled else {
            return Ok(());
        };
        settle(root, dead)?;
        *unsettled = None;
        Ok(())
    }

    fn unsettled(&self) -> MutexGuard<'_, Option<Unsettled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings to disk what is below `root`, and removes what the dead staged.
pub(crate) fn settle(root: &Path, dead: &[PathBuf]) -> Result<()> {
    sync_filesystem(root)?;
    tracing::info!(root = %root.display(), "an earlier process did not end in order; storage synced");
    dead.iter().for_each(|directory| remove(directory));
    Ok(())
}

fn sync_filesystem(root: &Path) -> Result<()> {
    let directory = fs::File::open(root).map_err(Error::io("open", root))?;
    match rustix::fs::syncfs(directory).map_err(io::Error::from) {
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(Error::io("sync", root)(error)),
        _ => Ok(()),
    }
}

/// What cannot be removed takes space, no more.
fn remove(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %directory.display(), %error, "what a dead process staged is not removed");
        }
        _ => {}
    }
}
