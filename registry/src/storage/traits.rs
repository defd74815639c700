//! What a storage backend does, said in terms of blobs, uploads, manifests, tags and referrers; never of files.
//!
//! Order of durability (DESIGN invariants 1 and 2): content, then revision link, then referrer, then tag index, then
//! tag current. When a method that changes something returns `Ok`, the change survives power loss.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::error::Result;
use super::upload_id::UploadId;
use super::values::{Blob, BlobStream, Condition, Page, PurgedUpload, UploadStatus};
use crate::oci::{Algorithm, Digest, RepositoryName, Tag};

/// Blobs: content addressed, visible in a repository by a link.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// The blob, if it is linked into `repository`. [`Error::BlobUnknown`](super::Error::BlobUnknown) otherwise.
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob>;

    /// The bytes `range` of a blob, in pieces of 256 KiB at most. An empty range gives an empty stream.
    async fn read_blob(&self, blob: &Blob, range: Range<u64>) -> Result<BlobStream>;

    /// Makes the blob of `from` visible in `to` as well.
    async fn mount_blob(&self, from: &RepositoryName, to: &RepositoryName, digest: &Digest) -> Result<Blob>;

    /// Removes the blob from `repository`; the content stays until it is collected.
    async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<()>;
}

/// Upload sessions. Nothing assumes that the process which began one finishes it.
#[async_trait]
pub trait UploadStore: Send + Sync {
    /// Begins an upload that will be hashed with `algorithm` while it streams.
    async fn begin_upload(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId>;

    /// Where it stands. [`Error::UploadUnknown`](super::Error::UploadUnknown) when there is none.
    async fn upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<UploadStatus>;

    /// Takes the upload for writing at its end; one writer at a time ([`Error::UploadBusy`](super::Error::UploadBusy)).
    /// `at`: where the client believes that the end is; [`Error::UploadOffset`](super::Error::UploadOffset) with the true one when it is not there.
    async fn append(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        at: Option<u64>,
    ) -> Result<Box<dyn UploadWriter>>;

    /// Forgets the upload and its bytes.
    async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<()>;

    /// Forgets the upload and its bytes unless it is in use; whether it is gone.
    async fn discard_idle_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<bool>;

    /// Removes uploads that began more than `age` ago.
    async fn purge_uploads(&self, age: Duration, dry_run: bool) -> Result<Vec<PurgedUpload>>;
}

/// The one writer of an upload. Dropping it keeps what was written, resumable.
#[async_trait]
pub trait UploadWriter: Send {
    /// Takes a piece; waits while the disk is behind, so memory stays bounded.
    async fn write(&mut self, piece: Bytes) -> Result<()>;

    /// Ends a PATCH: bytes and hash state are kept. Gives the new offset.
    async fn pause(self: Box<Self>) -> Result<u64>;

    /// Ends the upload: verifies `digest` ([`Error::DigestMismatch`](super::Error::DigestMismatch); the upload is then gone), makes it durable, moves
    /// it over what is there, links it into the repository.
    async fn finish(self: Box<Self>, digest: &Digest) -> Result<Blob>;
}

/// Manifests: blobs that a repository knows as revisions.
#[async_trait]
pub trait ManifestStore: Send + Sync {
    /// The bytes of a revision. [`Error::ManifestUnknown`](super::Error::ManifestUnknown) when the repository has no such revision.
    async fn manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<Bytes>;

    /// Whether the repository has the revision.
    async fn has_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool>;

    /// Stores content, revision link, referrer link (when `subject` is given), and moves `tags` to it, in this order.
    async fn put_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        content: Bytes,
        subject: Option<&Digest>,
        tags: &[Tag],
    ) -> Result<()>;

    /// Removes the tags that point to the revision, its referrer link, then the revision.
    async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        subject: Option<&Digest>,
    ) -> Result<()>;
}

/// Tags: names that point to a revision.
#[async_trait]
pub trait TagStore: Send + Sync {
    /// What the tag points to. [`Error::TagUnknown`](super::Error::TagUnknown) when there is none.
    async fn resolve_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<Digest>;

    /// Tags after `after` in lexical order, `limit` at most. [`Error::RepositoryUnknown`](super::Error::RepositoryUnknown) when there is no such repository.
    async fn tags(&self, repository: &RepositoryName, after: Option<&str>, limit: usize) -> Result<Page<Tag>>;

    /// Removes the tag; the revision stays.
    async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<()>;
}

/// Referrers: which manifests name a subject.
#[async_trait]
pub trait ReferrerStore: Send + Sync {
    /// Digests of the manifests that name `subject`, in lexical order; the subject itself need not exist.
    async fn referrers(&self, repository: &RepositoryName, subject: &Digest) -> Result<Vec<Digest>>;
}

/// The catalog, and the backend's health.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Repositories after `after` in lexical order of the whole name, `limit` at most; walks no more than the page needs.
    async fn repositories(&self, after: Option<&str>, limit: usize) -> Result<Page<RepositoryName>>;

    /// Like [`Catalog::repositories`], with the names that have blobs and no manifest as yet: where a blob may be found.
    async fn names(&self, after: Option<&str>, limit: usize) -> Result<Page<RepositoryName>>;

    /// Writes, reads and removes a small file, or does what shows that the backend works.
    async fn health(&self) -> Result<Condition>;
}

/// A backend: all of the stores together.
pub trait Storage: BlobStore + UploadStore + ManifestStore + TagStore + ReferrerStore + Catalog {}

impl<T: BlobStore + UploadStore + ManifestStore + TagStore + ReferrerStore + Catalog> Storage for T {}
