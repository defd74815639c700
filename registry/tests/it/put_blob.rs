//! A blob in one call, for tests that are about something else: pushed as a client pushes it, in a session of its own.

use bytes::Bytes;
use lockgate_registry::internals::oci::{Digest, RepositoryName};
use lockgate_registry::internals::storage::{Blob, Result, UploadStore};

pub(crate) trait PutBlob {
    async fn put_blob(&self, repository: &RepositoryName, digest: &Digest, content: Bytes) -> Result<Blob>;
}

impl<S: UploadStore + ?Sized> PutBlob for S {
    async fn put_blob(&self, repository: &RepositoryName, digest: &Digest, content: Bytes) -> Result<Blob> {
        let id = self.begin_upload(repository, digest.algorithm()).await?;
        let mut writer = self.append(repository, &id, None).await?;
        writer.write(content).await?;
        writer.finish(digest).await
    }
}
