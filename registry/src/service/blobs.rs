//! Blobs: reading, removing, mounting.

use std::ops::Range;

use super::{Error, MayRead, Registry, Result};
use crate::oci::{Digest, RepositoryName};
use crate::storage::{Blob, BlobStream};

/// How many repositories a mount without `from` looks into. The specification lets a registry try as hard as it likes;
/// beyond this an upload is cheaper than the search.
const MOUNT_SEARCH: usize = 1000;

/// Repositories are listed in pages of this size while searching.
const SEARCH_PAGE: usize = 100;

impl Registry {
    /// The blob, if the repository has it.
    pub(crate) async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob> {
        Ok(self.storage.blob(repository, digest).await?)
    }

    /// The bytes `range` of a blob.
    pub(crate) async fn read_blob(&self, blob: &Blob, range: Range<u64>) -> Result<BlobStream> {
        Ok(self.storage.read_blob(blob, range).await?)
    }

    /// Removes the blob from the repository.
    pub(crate) async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        self.require_deletable()?;
        Ok(self.storage.delete_blob(repository, digest).await?)
    }

    /// Makes a blob visible in `to`, from `from` or, when that is not given, from any repository that the caller may
    /// read. `None`: there is nothing to mount, or the caller may not know of it; an upload is the way then.
    pub(crate) async fn mount(
        &self,
        from: Option<&RepositoryName>,
        to: &RepositoryName,
        digest: &Digest,
        may_read: MayRead<'_>,
    ) -> Result<Option<Blob>> {
        self.require_writable()?;
        let from = match from {
            Some(from) if !may_read(from) => return Ok(None),
            Some(from) => from.clone(),
            None => match self.find_blob(to, digest, may_read).await? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        if from == *to {
            return self.blob_if_there(to, digest).await;
        }
        Error::absent(self.storage.mount_blob(&from, to, digest).await)
    }

    /// The blob, or `None`.
    pub(super) async fn blob_if_there(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Blob>> {
        Error::absent(self.storage.blob(repository, digest).await)
    }

    /// A repository that has the blob and that the caller may read; `home` is looked into first.
    async fn find_blob(
        &self,
        home: &RepositoryName,
        digest: &Digest,
        may_read: MayRead<'_>,
    ) -> Result<Option<RepositoryName>> {
        if self.blob_if_there(home, digest).await?.is_some() {
            return Ok(Some(home.clone()));
        }
        let mut after: Option<RepositoryName> = None;
        for _ in 0..MOUNT_SEARCH / SEARCH_PAGE {
            let page = self
                .storage
                .names(after.as_ref().map(RepositoryName::as_str), SEARCH_PAGE)
                .await?;
            for repository in page.items.iter().filter(|repository| may_read(repository)) {
                if self.blob_if_there(repository, digest).await?.is_some() {
                    return Ok(Some(repository.clone()));
                }
            }
            after = page.items.into_iter().next_back();
            if !page.more || after.is_none() {
                break;
            }
        }
        Ok(None)
    }
}
