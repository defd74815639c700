//! What storage hands out, whatever the backend.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::Stream;

use super::upload_id::UploadId;
use crate::oci::{Digest, RepositoryName};

/// Bytes of a blob as they come from the backend.
pub type BlobStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A blob that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The digest that the client asked for.
    pub digest: Digest,
    /// How many bytes the content has.
    pub size: u64,
    /// For a hand-off: its file, relative to the blob root (`sha256/ab/abcd.../data`). `None` when the backend has no files.
    pub file: Option<PathBuf>,
}

/// How far an upload has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadStatus {
    /// How many bytes were received and kept.
    pub offset: u64,
    /// When it began; `None` when the record is missing (a crash of another implementation leaves that).
    pub started_at: Option<SystemTime>,
}

/// An upload that was, or with a dry run would be, removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgedUpload {
    /// The repository that it was begun in.
    pub repository: RepositoryName,
    /// The id of its session.
    pub id: UploadId,
    /// How long ago it began.
    pub age: Duration,
}

/// One page of a sorted listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in lexical order.
    pub items: Vec<T>,
    /// Whether there is more after the last item.
    pub more: bool,
}

/// What can be done with a backend that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It can be read and written.
    Writable,
    /// It can be read; there is no space for more.
    Full,
    /// It can be read; the filesystem is read-only.
    ReadOnly,
}
