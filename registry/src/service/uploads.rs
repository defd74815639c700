//! Uploads: sessions that end in a blob.

use std::sync::Arc;

use bytes::Bytes;

use super::active_uploads::ActiveUploads;
use super::error::{Error, Result};
use super::registry::Registry;
use crate::oci::{Algorithm, ContentRange, Digest, RepositoryName};
use crate::storage::{Blob, UploadId, UploadStatus, UploadWriter};

/// How many uploads beyond the bound one more is given up for: those that are being written to are left alone.
const DISCARD_TRIES: usize = 16;

impl Registry {
    /// Begins an upload that is hashed with `algorithm` while it streams. An `account` with too many loses the one that was
    /// idle longest; nobody is refused.
    pub(crate) async fn begin_upload(
        &self,
        account: Option<&str>,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<UploadId> {
        self.require_writable()?;
        let id = self.storage.begin_upload(repository, algorithm).await?;
        self.active_uploads.add(account, repository, &id);
        self.discard_idle_uploads(account).await;
        Ok(id)
    }

    async fn discard_idle_uploads(&self, account: Option<&str>) {
        let most = self.settings.load().max_uploads;
        for _ in 0..DISCARD_TRIES {
            let Some((repository, id)) = self.active_uploads.idle_longest_beyond(account, most) else {
                return;
            };
            match self.storage.discard_idle_upload(&repository, &id).await {
                // It is being written to.
                Ok(false) => self.active_uploads.touch(&id),
                Ok(true) => {
                    self.active_uploads.remove(&id);
                    let account = account.unwrap_or("-");
                    tracing::info!(account, %repository, upload = %id, "the account has more unfinished uploads than http.limits.maxuploads: the one that was idle longest is removed");
                }
                Err(error) => {
                    self.active_uploads.remove(&id);
                    tracing::warn!(%error, %repository, upload = %id, "an upload beyond http.limits.maxuploads is left to the purge");
                }
            }
        }
    }

    /// How far an upload has come.
    pub(crate) async fn upload_status(&self, repository: &RepositoryName, id: &UploadId) -> Result<UploadStatus> {
        Ok(self.storage.upload(repository, id).await?)
    }

    /// Takes an upload to write a chunk, or the rest, at its end.
    ///
    /// A chunk that says where it belongs must belong there; one that says how long it is, by range or by length, must
    /// be that long.
    pub(crate) async fn append(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        range: Option<ContentRange>,
        length: Option<u64>,
    ) -> Result<Chunk> {
        self.require_writable()?;
        let announced = match (range.map(ContentRange::length), length) {
            (Some(announced), Some(received)) if announced != received => {
                return Err(Error::ChunkLength { announced, received });
            }
            (announced, length) => announced.or(length),
        };
        let at = range.map(ContentRange::first);
        let writer = self.storage.append(repository, id, at).await?;
        Ok(Chunk {
            in_use: InUse::begin(&self.active_uploads, id),
            writer,
            announced,
            received: 0,
        })
    }

    /// Ends an upload without a blob.
    pub(crate) async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<()> {
        self.require_writable()?;
        self.storage.cancel_upload(repository, id).await?;
        self.active_uploads.remove(id);
        Ok(())
    }

    /// The blob that an upload which is no longer known may have ended in: a closing request that is sent again, its
    /// answer lost, is then answered as before. `None` when the repository does not have it.
    pub(crate) async fn finished_before(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Blob>> {
        self.blob_if_there(repository, digest).await
    }
}

/// A chunk being written; the upload is this one's alone until it is gone. Dropping it keeps what came, resumable.
pub(crate) struct Chunk {
    /// Kept current while it is written to.
    in_use: InUse,
    writer: Box<dyn UploadWriter>,
    announced: Option<u64>,
    received: u64,
}

impl Chunk {
    /// Takes a piece; waits while the disk is behind.
    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<()> {
        let received = self.received + piece.len() as u64;
        match self.announced {
            Some(announced) if received > announced => Err(Error::ChunkLength { announced, received }),
            _ => {
                self.writer.write(piece).await?;
                self.received = received;
                Ok(())
            }
        }
    }

    /// Ends a PATCH. Gives the upload's new length.
    pub(crate) async fn pause(self) -> Result<u64> {
        let (announced, received) = (self.announced, self.received);
        // What came is kept first, whatever is said about it: the client asks for the offset and goes on.
        let offset = self.writer.pause().await?;
        match announced {
            Some(announced) if announced != received => Err(Error::ChunkLength { announced, received }),
            _ => Ok(offset),
        }
    }

    /// Ends the upload in the blob `digest`, verified and durable. A chunk that was cut short ends nothing.
    pub(crate) async fn finish(self, digest: &Digest) -> Result<Blob> {
        match self.announced {
            Some(announced) if announced != self.received => {
                let received = self.received;
                self.writer.pause().await?;
                Err(Error::ChunkLength { announced, received })
            }
            _ => {
                let blob = self.writer.finish(digest).await?;
                self.in_use.end();
                Ok(blob)
            }
        }
    }
}

/// An upload in use: it is not idle before this is gone.
struct InUse {
    active_uploads: Arc<ActiveUploads>,
    id: UploadId,
}

impl InUse {
    fn begin(active_uploads: &Arc<ActiveUploads>, id: &UploadId) -> Self {
        active_uploads.touch(id);
        Self {
            active_uploads: active_uploads.clone(),
            id: id.clone(),
        }
    }

    /// The upload is no more.
    fn end(&self) {
        self.active_uploads.remove(&self.id);
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.active_uploads.touch(&self.id);
    }
}

#[cfg(test)]
#[path = "uploads_tests.rs"]
mod tests;
