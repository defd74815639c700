//! Reading what is in the page cache without waiting for a disk, and buffers to read into: neither allocates nor clears
//! memory for each piece.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// What [`read_cached`] could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// It has read so many bytes; none at the end of the file.
    Read(usize),
    /// The bytes are not in memory: reading them takes the disk, so a thread that may block.
    Missed,
    /// This file system cannot tell what is in memory, and never will.
    Unknown,
}

/// Reads at `offset` what the page cache holds (preadv2(2) with `RWF_NOWAIT`, Linux 4.14).
pub fn read_cached(file: &File, into: &mut [u8], offset: u64) -> io::Result<Cached> {
    match preadv2(file, &mut [IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT) {
        Ok(length) => Ok(Cached::Read(length)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Cached::Missed),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(Cached::Unknown),
        Err(error) => Err(error.into()),
    }
}

/// Initialised buffers of one size, where they come from and go back to.
#[derive(Debug, Clone)]
pub struct BufferPool(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    size: usize,
    most_kept: usize,
    kept: Mutex<Vec<Box<[u8]>>>,
}

impl BufferPool {
    /// Buffers of `size` bytes, of which at most `most_kept` wait to be used again. The others are given back to the
    /// system.
    pub fn new(size: usize, most_kept: usize) -> Self {
        Self(Arc::new(Pool {
            size,
            most_kept,
            kept: Mutex::default(),
        }))
    }

    /// A buffer with any content.
    pub fn take(&self) -> PooledBuffer {
        let kept = self.0.kept().pop();
        PooledBuffer {
            bytes: kept.unwrap_or_else(|| vec![0; self.0.size].into_boxed_slice()),
            pool: Arc::clone(&self.0),
        }
    }
}

impl Pool {
    fn kept(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One buffer; goes back where it came from when dropped.
#[derive(Debug)]
pub struct PooledBuffer {
    bytes: Box<[u8]>,
    pool: Arc<Pool>,
}

impl PooledBuffer {
    /// The first `length` bytes, without copying. The buffer is used again when the last clone of them is gone.
    pub fn freeze(self, length: usize) -> Bytes {
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
        let mut kept = self.pool.kept();
        if kept.len() < self.pool.most_kept {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_its_last_clone_is_gone() {
        let buffers = BufferPool::new(64, 2);
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

    #[test]
    fn no_more_are_kept_than_was_said() {
        let buffers = BufferPool::new(64, 2);
        let many = [buffers.take(), buffers.take(), buffers.take()];
        drop(many);
        assert_eq!(buffers.0.kept().len(), 2);
    }

    #[test]
    fn what_was_just_written_is_read_from_memory_and_the_end_is_no_miss() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, "0123456789").unwrap();
        let file = File::open(path).unwrap();
        let mut into = [0; 4];
        match read_cached(&file, &mut into, 3).unwrap() {
            Cached::Read(length) => assert_eq!(&into[..length], &b"3456"[..length]),
            // tmpfs before Linux 6.6 cannot tell.
            other => assert_eq!(other, Cached::Unknown),
        }
        assert_ne!(read_cached(&file, &mut into, 10).unwrap(), Cached::Missed);
    }
}
