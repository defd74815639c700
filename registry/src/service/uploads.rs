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
mod tests {
    use super::*;
    use crate::service::testing::{name, registry, registry_with, settings, sha256};
    use crate::storage;

    #[tokio::test]
    async fn chunks_follow_on() {
        let registry = registry();
        let repository = name("a");
        let id = registry
            .begin_upload(None, &repository, Algorithm::Sha256)
            .await
            .unwrap();
        for (range, piece, offset) in [("0-4", "hello", 5), ("5-5", " ", 6)] {
            let range = Some(range.parse().unwrap());
            let mut chunk = registry
                .append(&repository, &id, range, Some(piece.len() as u64))
                .await
                .unwrap();
            chunk.write(piece.into()).await.unwrap();
            assert_eq!(chunk.pause().await.unwrap(), offset);
        }
        for range in ["0-4", "7-8"] {
            let refused = registry
                .append(&repository, &id, Some(range.parse().unwrap()), None)
                .await;
            assert!(
                matches!(refused, Err(Error::Storage(storage::Error::UploadOffset { offset: 6 }))),
                "{range}"
            );
        }
        assert_eq!(registry.upload_status(&repository, &id).await.unwrap().offset, 6);
        let mut last = registry
            .append(&repository, &id, Some("6-10".parse().unwrap()), None)
            .await
            .unwrap();
        last.write("world".into()).await.unwrap();
        let blob = last.finish(&sha256("hello world")).await.unwrap();
        assert_eq!(blob.size, 11);
    }

    #[tokio::test]
    async fn a_chunk_is_as_long_as_announced() {
        let registry = registry();
        let repository = name("a");
        let id = registry
            .begin_upload(None, &repository, Algorithm::Sha256)
            .await
            .unwrap();
        let range = || Some("0-4".parse().unwrap());
        let contradicting = registry.append(&repository, &id, range(), Some(4)).await;
        assert!(matches!(
            contradicting,
            Err(Error::ChunkLength {
                announced: 5,
                received: 4
            })
        ));

        let mut long = registry.append(&repository, &id, range(), None).await.unwrap();
        assert!(matches!(
            long.write("hello!".into()).await,
            Err(Error::ChunkLength {
                announced: 5,
                received: 6
            })
        ));
        drop(long);

        // What came of a short one is kept: the client asks where it stands, and goes on.
        let mut short = registry.append(&repository, &id, range(), None).await.unwrap();
        short.write("hell".into()).await.unwrap();
        assert!(matches!(
            short.pause().await,
            Err(Error::ChunkLength {
                announced: 5,
                received: 4
            })
        ));
        let mut cut = registry.append(&repository, &id, None, Some(2)).await.unwrap();
        cut.write("o".into()).await.unwrap();
        assert!(matches!(
            cut.finish(&sha256("hello")).await,
            Err(Error::ChunkLength {
                announced: 2,
                received: 1
            })
        ));
        let rest = registry.append(&repository, &id, None, Some(0)).await.unwrap();
        assert_eq!(rest.finish(&sha256("hello")).await.unwrap().size, 5);
    }

    #[tokio::test]
    async fn a_closing_request_sent_again_finds_its_blob() {
        let registry = registry();
        let digest = registry.push_blob("a", "blob").await;
        assert!(registry.finished_before(&name("a"), &digest).await.unwrap().is_some());
        assert!(registry.finished_before(&name("b"), &digest).await.unwrap().is_none());
        assert!(
            registry
                .finished_before(&name("a"), &sha256("other"))
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_cancelled_upload_is_gone() {
        let registry = registry();
        let repository = name("a");
        let id = registry
            .begin_upload(None, &repository, Algorithm::Sha512)
            .await
            .unwrap();
        registry.cancel_upload(&repository, &id).await.unwrap();
        let status = registry.upload_status(&repository, &id).await;
        assert!(matches!(status, Err(Error::Storage(storage::Error::UploadUnknown(_)))));
    }

    #[tokio::test]
    async fn beyond_the_bound_the_upload_that_was_idle_longest_goes() {
        let registry = registry();
        let repository = name("a");
        let begin = async |account| {
            let begun = registry.begin_upload(account, &repository, Algorithm::Sha256).await;
            begun.unwrap()
        };
        let most = lockgate_config::Limits::default().max_uploads;
        let writing = begin(Some("x")).await;
        let mut chunk = registry.append(&repository, &writing, None, None).await.unwrap();
        let paused = begin(Some("x")).await;
        let idle = begin(Some("x")).await;
        let other = begin(Some("y")).await;
        let touched = registry.append(&repository, &paused, None, None).await.unwrap();
        touched.pause().await.unwrap();
        // Nobody is refused, and the one being written to never goes.
        for _ in 3..=most {
            begin(Some("x")).await;
        }
        let is_there = async |id: &UploadId| registry.upload_status(&repository, id).await.is_ok();
        assert!(!is_there(&idle).await, "it was idle longest");
        assert!(is_there(&paused).await && is_there(&other).await);
        let uploads = || std::fs::read_dir(registry.root.path().join(UPLOADS)).unwrap().count();
        assert_eq!(uploads(), most + 1);
        for _ in 0..50 {
            begin(Some("x")).await;
        }
        assert_eq!(uploads(), most + 1);
        assert!(is_there(&other).await && !is_there(&paused).await);
        chunk.write("kept".into()).await.unwrap();
        assert_eq!(chunk.finish(&sha256("kept")).await.unwrap().size, 4);
    }

    const UPLOADS: &str = "docker/registry/v2/repositories/a/_uploads";

    #[tokio::test]
    async fn sha512_is_verified() {
        let registry = registry();
        let repository = name("a");
        for (content, accepted) in [("right", true), ("wrong", false)] {
            let id = registry
                .begin_upload(None, &repository, Algorithm::Sha512)
                .await
                .unwrap();
            let mut chunk = registry.append(&repository, &id, None, None).await.unwrap();
            chunk.write(content.into()).await.unwrap();
            let finished = chunk.finish(&Digest::of(Algorithm::Sha512, b"right")).await;
            assert_eq!(finished.is_ok(), accepted, "{content}");
        }
    }

    #[tokio::test]
    async fn nothing_changes_while_read_only() {
        let registry = registry_with(|storage, _| storage.chunk_min_length = Some(7));
        assert_eq!(registry.chunk_min_length(), Some(7));
        let repository = name("a");
        let id = registry
            .begin_upload(None, &repository, Algorithm::Sha256)
            .await
            .unwrap();
        registry.reload(settings(|storage, _| storage.read_only = true));
        assert_eq!(registry.chunk_min_length(), None, "a reload replaces every setting");
        let digest = sha256("");
        let refused = [
            registry.begin_upload(None, &repository, Algorithm::Sha256).await.err(),
            registry.append(&repository, &id, None, None).await.err(),
            registry.cancel_upload(&repository, &id).await.err(),
            registry.mount(None, &repository, &digest, &|_| true).await.err(),
            registry.delete_blob(&repository, &digest).await.err(),
            registry
                .delete_manifest(&repository, &digest.clone().into())
                .await
                .err(),
            registry
                .put_manifest(&repository, &digest.into(), None, Bytes::new(), &[])
                .await
                .err(),
        ];
        assert!(
            refused.iter().all(|error| matches!(error, Some(Error::ReadOnly))),
            "{refused:?}"
        );
        assert!(registry.upload_status(&repository, &id).await.is_ok());
    }
}
