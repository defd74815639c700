//! The registry over any storage, and what may change in it at all.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::active_uploads::ActiveUploads;
use super::error::Error;
use super::settings::{ManifestLimit, ServiceSettings};
use crate::oci::RepositoryName;
use crate::storage::{Catalog, Condition, Storage};

/// Whether the caller may read a repository.
pub(crate) type MayRead<'a> = &'a dyn Fn(&RepositoryName) -> bool;

/// The registry, over any storage.
pub(crate) struct Registry {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) settings: ArcSwap<ServiceSettings>,
    pub(super) active_uploads: Arc<ActiveUploads>,
    /// Held by whoever reads a large manifest.
    pub(super) large_manifests: tokio::sync::Mutex<()>,
}

impl Registry {
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
    pub(crate) async fn storage_health(&self) -> Result<Condition, Error> {
        Ok(Catalog::health(&*self.storage).await?)
    }

    /// Whether pushes are refused because the configuration asks for that.
    pub(crate) fn is_read_only(&self) -> bool {
        self.settings.load().read_only
    }

    /// How large a manifest may be, as configured at this moment.
    pub(crate) fn manifest_limit(&self) -> ManifestLimit {
        self.settings.load().manifest_limit
    }

    /// `OCI-Chunk-Min-Length`, when one is set, in bytes.
    pub(crate) fn chunk_min_length(&self) -> Option<u64> {
        self.settings.load().chunk_min_length
    }

    /// Refuses when nothing may change.
    pub(crate) fn require_writable(&self) -> Result<(), Error> {
        if self.settings.load().read_only {
            Err(Error::ReadOnly)
        } else {
            Ok(())
        }
    }

    /// Refuses when nothing may be removed.
    pub(crate) fn require_deletable(&self) -> Result<(), Error> {
        self.require_writable()?;
        if self.settings.load().delete {
            Ok(())
        } else {
            Err(Error::DeleteDisabled)
        }
    }
}
