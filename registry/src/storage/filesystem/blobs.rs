//! Blobs: content in `blobs`, visible in a repository through a link in `_layers`.

use std::fs;
use std::ops::Range;

use async_trait::async_trait;

use super::backend::{FilesystemStorage, Inner};
use super::disk::{link, reader};
use crate::oci::{Digest, RepositoryName};
use crate::storage::{Blob, BlobStore, BlobStream, Error, Layout, Result};

#[async_trait]
impl BlobStore for FilesystemStorage {
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob> {
        self.inner.blob(repository, digest)
    }

    async fn read_blob(&self, blob: &Blob, range: Range<u64>) -> Result<BlobStream> {
        let file = match &blob.file {
            Some(file) => file.clone(),
            None => Layout::blob_file(&blob.digest),
        };
        reader::read_range(self.inner.layout.blobs().join(file), blob, range, &self.inner.buffers)
    }

    async fn mount_blob(&self, from: &RepositoryName, to: &RepositoryName, digest: &Digest) -> Result<Blob> {
        let (from, to, digest) = (from.clone(), to.clone(), digest.clone());
        self.run(move |inner| {
            let blob = inner.blob(&from, &digest)?;
            inner.link_blob(&to, &digest)?;
            Ok(blob)
        })
        .await
    }

    async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.run(move |inner| inner.delete_blob(&repository, digest)).await
    }
}

impl Inner {
    pub(super) fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob> {
        let unknown = || Error::BlobUnknown(digest.clone());
        // distribution keeps what was pushed under another algorithm as sha256; the link of the other digest says so.
        let target = link::read_link(&self.layout.repository(repository).layer_link(digest))?.ok_or_else(unknown)?;
        let size = self.content_size(&target)?.ok_or_else(unknown)?;
        Ok(Blob {
            digest: digest.clone(),
            ..Blob::stored(&target, size)
        })
    }

    /// Bytes of the content that is kept under `digest`, if any is.
    pub(super) fn content_size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.layout.blob_data(digest);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() == 0 && *digest != Digest::of(digest.algorithm(), b"") => {
                // distribution does not sync what it renames: power loss leaves this. Taken as absent, it is pushed again.
                tracing::warn!(path = %path.display(), "blob is empty, taken as absent");
                Ok(None)
            }
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Ok(None),
            Err(error) if link::is_absence(&error) => Ok(None),
            Err(error) => Err(Error::io("look at", &path)(error)),
        }
    }

    /// Stores content under its digest, over what is there, which repairs it.
    pub(super) fn put_content(&self, digest: &Digest, content: &[u8]) -> Result<()> {
        let actual = Digest::of(digest.algorithm(), content);
        if actual != *digest {
            return Err(Error::DigestMismatch {
                declared: digest.clone(),
                actual,
            });
        }
        self.durable.put(&self.layout.blob_data(digest), content)
    }

    fn link_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        let link = self.layout.repository(repository).layer_link(digest);
        self.durable.put(&link, digest.to_string().as_bytes())
    }

    fn delete_blob(&self, repository: &RepositoryName, digest: Digest) -> Result<()> {
        let link = self.layout.repository(repository).layer_link(&digest);
        let known = link::read_link(&link)?.is_some();
        if self.durable.remove_file(&link)? && known {
            Ok(())
        } else {
            Err(Error::BlobUnknown(digest))
        }
    }
}

impl Blob {
    /// The blob whose content is kept under `digest`.
    pub(super) fn stored(digest: &Digest, size: u64) -> Self {
        Self {
            digest: digest.clone(),
            size,
            file: Some(Layout::blob_file(digest)),
        }
    }
}
