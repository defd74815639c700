//! Uploads: sessions that end in a blob.

use bytes::Bytes;

use super::{Error, Registry, Result};
use crate::oci::{Algorithm, ContentRange, Digest, RepositoryName};
use crate::storage::{Blob, UploadId, UploadStatus, UploadWriter};

impl Registry {
    /// Begins an upload that is hashed with `algorithm` while it streams.
    pub(crate) async fn begin_upload(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId> {
        self.require_writable()?;
        Ok(self.storage.begin_upload(repository, algorithm).await?)
    }

    /// Where an upload stands.
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
            writer,
            announced,
            received: 0,
        })
    }

    /// Ends an upload without a blob.
    pub(crate) async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<()> {
        self.require_writable()?;
        Ok(self.storage.cancel_upload(repository, id).await?)
    }

    /// The blob that an upload which is no longer known may have ended in: a closing request that is sent again, its
    /// answer lost, is then answered as before. `None` when the repository does not have it.
    pub(crate) async fn finished_before(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Blob>> {
        self.blob_if_there(repository, digest).await
    }
}

/// A chunk being written; the upload is this one's alone until it is gone. Dropping it keeps what came, resumable.
pub(crate) struct Chunk {
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
            _ => Ok(self.writer.finish(digest).await?),
        }
    }
}
