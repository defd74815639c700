//! The buffers that files and sockets are read into.

use lockgate_files::BufferPool;

/// Bytes of a buffer. Larger ones gained nothing below TLS, whose records hold 16 KiB (measured).
pub(crate) const BUFFER_SIZE: usize = 64 * 1024;

/// Buffers kept for later at most: 4 MiB. More than that are in use only while many transfers run at once.
const MAX_KEPT: usize = 64;

/// The buffers of one proxy.
pub(crate) fn pool() -> BufferPool {
    BufferPool::new(BUFFER_SIZE, MAX_KEPT)
}
