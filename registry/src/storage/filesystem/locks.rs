//! Keeps a tag from being moved to a revision while that is being deleted.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::oci::RepositoryName;

/// Enough that repositories rarely share one.
const STRIPES: usize = 256;

/// Adding links excludes removing them, repository by repository; adding does not exclude adding, since each link is
/// put with one rename.
pub(super) struct RepositoryLocks {
    stripes: Box<[RwLock<()>]>,
    hash: RandomState,
}

impl RepositoryLocks {
    pub(super) fn adding(&self, repository: &RepositoryName) -> RwLockReadGuard<'_, ()> {
        self.stripe(repository).read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn removing(&self, repository: &RepositoryName) -> RwLockWriteGuard<'_, ()> {
        self.stripe(repository).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn stripe(&self, repository: &RepositoryName) -> &RwLock<()> {
        let hash = self.hash.hash_one(repository.as_str());
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
