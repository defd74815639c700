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
    /// What it hashes to.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// For a hand-off: its file, relative to the blob root (`sha256/ab/abcd.../data`). `None` when the backend has no files.
    pub file: Option<PathBuf>,
}

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadStatus {
    /// Bytes received and kept.
    pub offset: u64,
    /// When it began; `None` when the record is missing (a crash of another implementation leaves that).
    pub started_at: Option<SystemTime>,
}

/// An upload that was, or with a dry run would be, removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgedUpload {
    /// Its repository.
    pub repository: RepositoryName,
    /// Its id.
    pub id: UploadId,
    /// How long ago it began.
    pub age: Duration,
}

/// One page of a sorted listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In lexical order.
    pub items: Vec<T>,
    /// Whether there is more after the last item.
    pub more: bool,
}

/// What can be done with a backend that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Everything.
    Writable,
    /// It can be read; there is no space for more.
    Full,
    /// It can be read.
    ReadOnly,
}
