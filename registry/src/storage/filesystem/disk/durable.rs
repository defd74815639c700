//! Changes to the disk that survive power loss: stage, write, fsync, rename, fsync the directory.
//!
//! The only file that renames, removes or syncs anything which a reader may see. Other files of Lockgate are replaced by
//! `lockgate_files::write_private` and its like; what is different here is said there.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::crash_recovery::CrashRecovery;
use super::failpoint;
use super::files::{create_file, make_dir, parent, sync_dir};
use super::staging::Staging;
use crate::storage::{Error, Result};
pub(crate) struct Durable {
    staging: Staging,
    /// Directories that this process made and whose entry in their parent may not be on disk yet. Whoever writes below
    /// one of them syncs it, also when another thread made it.
    fresh: Mutex<HashSet<PathBuf>>,
    crash_recovery: Arc<CrashRecovery>,
}

impl Durable {
    pub(crate) fn new(staging: Staging, crash_recovery: Arc<CrashRecovery>) -> Self {
        Self {
            staging,
            fresh: Mutex::default(),
            crash_recovery,
        }
    }

    /// Whether the filesystem was read-only when it was opened.
    pub(crate) fn is_read_only(&self) -> bool {
        self.staging.is_read_only()
    }

    /// Puts `content` at `path`, over what is there.
    pub(crate) fn put(&self, path: &Path, content: &[u8]) -> Result<()> {
        let prepared = self.prepare(parent(path))?;
        let staged = self.stage(content)?;
        self.place_staged(staged, path, prepared)
    }

    /// Makes `directory` and what is missing above it.
    pub(crate) fn create_dirs(&self, directory: &Path) -> Result<()> {
        let prepared = self.prepare(directory)?;
        self.settle(prepared)
    }

    /// Makes `directory` and what is missing above it; durable only when something is placed in it.
    pub(crate) fn prepare(&self, directory: &Path) -> Result<PreparedDirs> {
        let mut missing = Vec::new();
        for ancestor in directory.ancestors() {
            match fs::metadata(ancestor) {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::NotFound => missing.push(ancestor),
                Err(error) => return Err(Error::io("look at", ancestor)(error)),
            }
        }
        let mut fresh = self.fresh();
        for ancestor in missing.into_iter().rev() {
            // Entered before it can be seen by another thread, which then does not take it for durable.
            fresh.insert(ancestor.to_owned());
            make_dir(ancestor).map_err(Error::io("create directory", ancestor))?;
        }
        if fresh.is_empty() {
            return Ok(PreparedDirs::default());
        }
        let mut unsynced: Vec<_> = directory.ancestors().filter(|dir| fresh.contains(*dir)).collect();
        unsynced.reverse();
        Ok(PreparedDirs {
            unsynced: unsynced.into_iter().map(Path::to_owned).collect(),
        })
    }

    /// Writes `content` to a file of its own, durable, not yet visible.
    pub(crate) fn stage(&self, content: &[u8]) -> Result<StagedFile> {
        failpoint::reach("stage.create");
        let (staged, file) = self.stage_unsynced(content)?;
        failpoint::reach("stage.sync");
        file.sync_all().map_err(Error::io("sync", &staged.path))?;
        Ok(staged)
    }

    fn stage_unsynced(&self, content: &[u8]) -> Result<(StagedFile, File)> {
        let staged = StagedFile {
            path: self.staging.next_path(),
        };
        let mut file = create_file(&staged.path)?;
        failpoint::reach("stage.write");
        file.write_all(content).map_err(Error::io("write", &staged.path))?;
        Ok((staged, file))
    }

    /// Renames what was staged to `path`.
    pub(crate) fn place_staged(&self, staged: StagedFile, path: &Path, prepared: PreparedDirs) -> Result<()> {
        self.place(&staged.path, path, prepared)
    }

    /// Renames a synced file of this filesystem to `path`, over what is there. Everything is acknowledged after one of
    /// these, so it is here that what was found there already has to be on disk too.
    pub(crate) fn place(&self, from: &Path, path: &Path, prepared: PreparedDirs) -> Result<()> {
        failpoint::reach("rename");
        fs::rename(from, path).map_err(Error::io("rename to", path))?;
        failpoint::reach("sync directory");
        sync_dir(parent(path))?;
        self.settle(prepared)?;
        self.crash_recovery.settle()
    }

    /// Removes a file; whether it was there.
    pub(crate) fn remove_file(&self, path: &Path) -> Result<bool> {
        failpoint::reach("unlink");
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("remove", path)(error)),
        }
        failpoint::reach("unlink.sync");
        sync_dir(parent(path))?;
        Ok(true)
    }

    /// Removes a directory with what is in it; whether it was there.
    pub(crate) fn remove_tree(&self, directory: &Path) -> Result<bool> {
        failpoint::reach("remove tree");
        match fs::remove_dir_all(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("remove", directory)(error)),
        }
        failpoint::reach("remove tree.sync");
        sync_dir(parent(directory))?;
        Ok(true)
    }

    /// Writes, reads back and removes a small file; not synced, so that a disk at rest may stay so for a while.
    pub(crate) fn probe(&self) -> Result<()> {
        const CONTENT: &[u8] = b"lockgate";
        let (staged, _) = self.stage_unsynced(CONTENT)?;
        let read = fs::read(&staged.path).map_err(Error::io("read", &staged.path))?;
        if read == CONTENT {
            Ok(())
        } else {
            Err(Error::Corrupt {
                path: staged.path.clone(),
                what: "a file does not read back as it was written".to_owned(),
            })
        }
    }

    fn settle(&self, prepared: PreparedDirs) -> Result<()> {
        for directory in prepared.unsynced {
            failpoint::reach("sync parent");
            sync_dir(parent(&directory))?;
            self.fresh().remove(&directory);
        }
        Ok(())
    }

    fn fresh(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Directories above a file to be, some of which may need a sync in their parent.
#[derive(Default)]
#[must_use = "new directories are durable only when something is placed in them"]
pub(crate) struct PreparedDirs {
    unsynced: Vec<PathBuf>,
}

/// A file under its staging name; removed when it was not placed.
pub(crate) struct StagedFile {
    path: PathBuf,
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove; otherwise the next start removes it.
        let _ = fs::remove_file(&self.path);
    }
}
