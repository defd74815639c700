//! Initialised buffers that are used again: reading a file or a socket neither allocates nor clears memory each time.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

/// Bytes of a buffer. Larger ones gained nothing below TLS, whose records hold 16 KiB (measured).
pub(crate) const BUFFER_SIZE: usize = 64 * 1024;

/// Buffers kept for later at most: 4 MiB. More than that are in use only while many transfers run at once.
const MAX_KEPT: usize = 64;

/// Where buffers come from and go back to.
#[derive(Debug, Clone, Default)]
pub(crate) struct BufferPool(Arc<Mutex<Vec<Box<[u8]>>>>);

impl BufferPool {
    /// A buffer of [`BUFFER_SIZE`] bytes with any content.
    pub(crate) fn take(&self) -> PooledBuffer {
        let kept = self.0.lock().expect("no code panics while it holds the lock").pop();
        PooledBuffer {
            bytes: kept.unwrap_or_else(|| vec![0; BUFFER_SIZE].into_boxed_slice()),
            home: self.clone(),
        }
    }
}

/// One buffer; goes back where it came from when dropped.
#[derive(Debug)]
pub(crate) struct PooledBuffer {
    bytes: Box<[u8]>,
    home: BufferPool,
}

impl PooledBuffer {
    /// The first `length` bytes, without copying. The buffer is used again when the last clone of them is gone.
    pub(crate) fn freeze(self, length: usize) -> Bytes {
        Bytes::from_owner(self).slice(..length)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for PooledBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut kept = self.home.0.lock().expect("no code panics while it holds the lock");
        if kept.len() < MAX_KEPT {
            kept.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_its_last_clone_is_gone() {
        let buffers = BufferPool::default();
        let buffer = buffers.take();
        let address = buffer.as_ref().as_ptr();
        let bytes = buffer.freeze(3);
        let clone = bytes.clone();
        drop(bytes);
        assert_ne!(buffers.take().as_ref().as_ptr(), address, "it is still in use");
        drop(clone);
        // Two are kept now; the one given back last comes first.
        assert_eq!(buffers.take().as_ref().as_ptr(), address);
        assert_eq!(buffers.take().freeze(3).len(), 3);
    }
}
