//! The rules of the registry: what may be stored, listed, mounted and removed. Speaks in values and storage, never HTTP.
//!
//! ```text
//! blobs      read, delete, mount        manifests   put, get, delete       references   what a manifest needs
//! uploads    begin, append, finish      tags        list                   referrers    what names a subject
//!                                       catalog     list
//! ```
//!
//! Who may do what is decided by the caller; where a rule depends on it (mounting, the catalog) it is asked back.

mod active_uploads;
mod blobs;
mod catalog;
mod error;
mod manifests;
mod references;
mod referrers;
mod settings;
mod tags;
mod uploads;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub(crate) use error::Error;
pub(crate) use settings::ServiceSettings;
pub(crate) use uploads::Chunk;

use self::active_uploads::ActiveUploads;
use crate::oci::RepositoryName;
use crate::storage::{Catalog, Condition, Storage};

/// Result of an operation of the registry.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether the caller may read a repository.
pub(crate) type MayRead<'a> = &'a dyn Fn(&RepositoryName) -> bool;

/// The registry, over any storage.
pub(crate) struct Registry {
    storage: Arc<dyn Storage>,
    settings: ArcSwap<ServiceSettings>,
    active_uploads: Arc<ActiveUploads>,
    /// Held by whoever reads a large manifest.
    large_manifests: tokio::sync::Mutex<()>,
}

impl Registry {
    /// The registry over `storage`.
    pub(crate) fn new(storage: Arc<dyn Storage>, settings: ServiceSettings) -> Self {
        Self {
            storage,
            settings: ArcSwap::from_pointee(settings),
            active_uploads: Arc::default(),
            large_manifests: tokio::sync::Mutex::default(),
        }
    }

    /// Goes on with other settings; what is under way ends with the old ones.
    pub(crate) fn reload(&self, settings: ServiceSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Whether the storage works at this moment.
    pub(crate) async fn storage_health(&self) -> Result<Condition> {
        Ok(Catalog::health(&*self.storage).await?)
    }

    /// Whether pushes are refused because the configuration asks for that.
    pub(crate) fn is_read_only(&self) -> bool {
        self.settings.load().read_only
    }

    /// The largest manifest that is accepted, in bytes.
    pub(crate) fn max_manifest_size(&self) -> u64 {
        self.settings.load().max_manifest_size
    }

    /// `OCI-Chunk-Min-Length`, when one is set, in bytes.
    pub(crate) fn chunk_min_length(&self) -> Option<u64> {
        self.settings.load().chunk_min_length
    }

    /// Refuses when nothing may change.
    pub(crate) fn require_writable(&self) -> Result<()> {
        if self.settings.load().read_only {
            Err(Error::ReadOnly)
        } else {
            Ok(())
        }
    }

    /// Refuses when nothing may be removed.
    pub(crate) fn require_deletable(&self) -> Result<()> {
        self.require_writable()?;
        if self.settings.load().delete {
            Ok(())
        } else {
            Err(Error::DeleteDisabled)
        }
    }
}

#[cfg(test)]
mod testing;
