//! What goes from the connection to the thread, and back.

use bytes::Bytes;

use crate::oci::Digest;
use crate::storage::Blob;

/// Bytes that go through the channel at once.
pub(crate) const BATCH: usize = 256 * 1024;
/// What the thread is told; when it is told nothing any more, it ends and keeps what it has.
pub(crate) enum Command {
    Write(Vec<Bytes>),
    Finish(Digest),
}

/// How the thread ended.
pub(crate) enum Outcome {
    Kept(u64),
    Stored(Blob),
}
