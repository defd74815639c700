//! Blobs: reading, removing, mounting.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use futures_util::{TryStreamExt as _, stream};

use super::error::{Error, Result};
use super::registry::{MayRead, Registry};
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

    /// Reads ranges of a blob, for longer than a request lives. Each is opened when its first bytes are asked for.
    pub(crate) fn blob_reader(&self, blob: Blob) -> impl Fn(Range<u64>) -> BlobStream + 'static {
        let (storage, blob) = (self.storage.clone(), Arc::new(blob));
        move |range| {
            let (storage, blob) = (storage.clone(), blob.clone());
            let opened = async move { storage.read_blob(&blob, range).await.map_err(io::Error::other) };
            Box::pin(stream::once(opened).try_flatten())
        }
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

#[cfg(test)]
mod tests {
    use crate::service::Error;
    use crate::service::testing::{Fixture, name, registry, registry_with, sha256};
    use crate::storage;

    async fn mount(registry: &Fixture, from: Option<&str>, to: &str, content: &str, readable: &[&str]) -> bool {
        let (from, to, digest) = (from.map(name), name(to), sha256(content));
        let may_read = |repository: &crate::oci::RepositoryName| readable.contains(&repository.as_str());
        let mounted = registry.mount(from.as_ref(), &to, &digest, &may_read).await.unwrap();
        let there = registry.blob(&to, &digest).await;
        assert_eq!(
            mounted.is_some(),
            there.is_ok(),
            "what is said to be mounted is there, and nothing else"
        );
        mounted.is_some()
    }

    #[tokio::test]
    async fn a_blob_is_mounted_from_where_the_caller_may_read() {
        let registry = registry();
        registry.push_blob("from", "blob").await;
        assert!(!mount(&registry, Some("from"), "to", "blob", &[]).await);
        assert!(!mount(&registry, Some("from"), "to", "other", &["from"]).await);
        assert!(!mount(&registry, Some("nowhere"), "to", "blob", &["nowhere", "from"]).await);
        assert!(mount(&registry, Some("from"), "to", "blob", &["from"]).await);
    }

    #[tokio::test]
    async fn without_a_source_any_readable_repository_will_do() {
        let registry = registry();
        // Blobs alone: no manifest was pushed there as yet.
        registry.push_blob("a/hidden", "blob").await;
        assert!(!mount(&registry, None, "to", "blob", &["to"]).await);
        registry.push_blob("z/open", "blob").await;
        assert!(mount(&registry, None, "to", "blob", &["z/open"]).await);
        // What is there already is mounted whatever else may be read.
        assert!(mount(&registry, None, "to", "blob", &[]).await);
    }

    #[tokio::test]
    async fn the_search_goes_beyond_one_page() {
        let registry = registry();
        for i in 0..super::SEARCH_PAGE + 1 {
            registry.push_blob(&format!("r{i:04}"), "other").await;
        }
        registry.push_blob("s", "blob").await;
        assert!(mount(&registry, None, "to", "blob", &["s"]).await);
    }

    #[tokio::test]
    async fn a_blob_mounted_onto_itself_must_be_there() {
        let registry = registry();
        assert!(!mount(&registry, Some("a"), "a", "blob", &["a"]).await);
        registry.push_blob("a", "blob").await;
        assert!(mount(&registry, Some("a"), "a", "blob", &["a"]).await);
    }

    #[tokio::test]
    async fn deleting_takes_a_blob_out_of_one_repository() {
        let registry = registry();
        let digest = registry.push_blob("a", "blob").await;
        registry.push_blob("b", "blob").await;
        registry.delete_blob(&name("a"), &digest).await.unwrap();
        let unknown = |error: Error| matches!(error, Error::Storage(storage::Error::BlobUnknown(_)));
        assert!(registry.blob(&name("a"), &digest).await.is_err_and(unknown));
        assert!(registry.delete_blob(&name("a"), &digest).await.is_err_and(unknown));
        assert!(registry.blob(&name("b"), &digest).await.is_ok());
    }

    #[tokio::test]
    async fn deleting_may_be_off() {
        let off = registry_with(|storage, _| storage.delete = false);
        let digest = off.push_blob("a", "blob").await;
        let refused = off.delete_blob(&name("a"), &digest).await;
        assert!(matches!(refused, Err(Error::DeleteDisabled)));
        assert!(off.blob(&name("a"), &digest).await.is_ok());
    }
}
