//! Keeps a tag from being moved to a revision while that is being deleted, by this process or by another.
//!
//! During a hand-over two processes serve one tree. Within a process an `RwLock` does it; between processes an flock on
//! the repository's `_manifests` directory, which adds no file and ends with its holder. flock(2) says nothing about
//! other machines: on NFS a directory's lock is known to this one alone.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use lockgate_files::flock::{Kind, lock, where_supported};

use crate::storage::filesystem::disk::link::is_absence;
use crate::storage::{Error, Result};

/// Enough that repositories rarely share one.
const STRIPES: usize = 256;

/// Adding links excludes removing them, repository by repository; adding does not exclude adding, since each link is
/// put with one rename.
///
/// Both wait, so both belong on threads that may block. A process that is stopped while it holds a lock is killed by
/// its watchdog, and the kernel lets go.
pub(crate) struct RepositoryLocks {
    stripes: Box<[RwLock<()>]>,
    hash: RandomState,
}

impl RepositoryLocks {
    /// `manifests`: the repository's directory, which is there.
    pub(crate) fn lock_for_adding(&self, manifests: &Path) -> Result<AddGuard<'_>> {
        let here = self.stripe(manifests).read().unwrap_or_else(PoisonError::into_inner);
        let file = File::open(manifests).map_err(Error::io("open", manifests))?;
        where_supported(lock(&file, Kind::Shared), ()).map_err(Error::io("lock", manifests))?;
        Ok(AddGuard {
            _everywhere: file,
            _here: here,
        })
    }

    /// `None` when the directory `manifests` is not there: then there is nothing to remove.
    pub(crate) fn lock_for_removing(&self, manifests: &Path) -> Result<Option<RemoveGuard<'_>>> {
        let here = self.stripe(manifests).write().unwrap_or_else(PoisonError::into_inner);
        let file = match File::open(manifests) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(Error::io("open", manifests)(error)),
        };
        where_supported(lock(&file, Kind::Exclusive), ()).map_err(Error::io("lock", manifests))?;
        Ok(Some(RemoveGuard {
            _everywhere: file,
            _here: here,
        }))
    }

    fn stripe(&self, manifests: &Path) -> &RwLock<()> {
        let hash = self.hash.hash_one(manifests);
        &self.stripes[usize::try_from(hash % STRIPES as u64).expect("less than the number of stripes")]
    }
}

impl Default for RepositoryLocks {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| RwLock::new(())).collect(),
            hash: RandomState::new(),
        }
    }
}

/// Others may add, nobody removes. Closing the file, which comes first, ends its lock.
pub(crate) struct AddGuard<'l> {
    _everywhere: File,
    _here: RwLockReadGuard<'l, ()>,
}

/// Nobody else adds or removes.
pub(crate) struct RemoveGuard<'l> {
    _everywhere: File,
    _here: RwLockWriteGuard<'l, ()>,
}
