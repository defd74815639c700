//! Streams a range of a file: what is in the page cache is read inline, the rest on a blocking thread.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};

use crate::storage::{Blob, BlobStream, Error, Result};

/// One piece, one buffer.
const PIECE: usize = 256 * 1024;
/// Buffers that wait for the next read; more are given back to the system.
const IDLE_BUFFERS: usize = 32;

/// The bytes `range` of the file at `path`, which holds `blob`.
pub(crate) fn read(path: PathBuf, blob: &Blob, range: Range<u64>, buffers: &Arc<Buffers>) -> Result<BlobStream> {
    let range = range.start..range.end.min(blob.size);
    if range.is_empty() {
        return Ok(Box::pin(stream::empty()));
    }
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::BlobUnknown(blob.digest.clone()),
        _ => Error::io("open", &path)(error),
    })?;
    // Doubles the read-ahead. A filesystem that takes no advice reads all the same.
    let _ = rustix::fs::fadvise(&file, range.start, None, Advice::Sequential);
    let cursor = Cursor {
        file: Arc::new(file),
        path,
        range,
        buffers: Arc::clone(buffers),
    };
    Ok(Box::pin(stream::try_unfold(cursor, Cursor::next)))
}

struct Cursor {
    file: Arc<File>,
    path: PathBuf,
    range: Range<u64>,
    buffers: Arc<Buffers>,
}

impl Cursor {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let mut piece = self.buffers.take();
        let wanted = usize::try_from(self.range.end - self.range.start).map_or(PIECE, |left| left.min(PIECE));
        let offset = self.range.start;
        piece.filled = match read_cached(&self.file, &mut piece.buffer[..wanted], offset)? {
            Some(length) => length,
            None => {
                let file = Arc::clone(&self.file);
                let read = move || {
                    let length = file.read_at(&mut piece.buffer[..wanted], offset)?;
                    Ok::<_, io::Error>((length, piece))
                };
                let length;
                (length, piece) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
                length
            }
        };
        if piece.filled == 0 {
            let what = format!("{} ends at byte {offset}, its record says more", self.path.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        self.range.start += piece.filled as u64;
        Ok(Some((Bytes::from_owner(piece), self)))
    }
}

/// `None` when it takes the disk, or when the filesystem cannot tell.
fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
    match rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
        Ok(length) => Ok(Some(length)),
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Initialised buffers, used again and again.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<Box<[u8]>>>);

impl Buffers {
    fn take(self: &Arc<Self>) -> Piece {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Piece {
            buffer: idle.unwrap_or_else(|| vec![0; PIECE].into_boxed_slice()),
            filled: 0,
            home: Arc::clone(self),
        }
    }
}

/// A buffer that goes back when the last of its bytes was sent.
struct Piece {
    buffer: Box<[u8]>,
    filled: usize,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut idle = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_BUFFERS {
            idle.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Algorithm, Digest};
    use futures_util::TryStreamExt as _;

    fn blob(content: &[u8]) -> (tempfile::NamedTempFile, Blob) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let blob = Blob::stored(&Digest::of(Algorithm::Sha256, content), content.len() as u64);
        (file, blob)
    }

    #[tokio::test]
    async fn ranges_come_in_bounded_pieces_and_buffers_return() {
        let content: Vec<u8> = (0..3 * PIECE + 17).map(|i| (i * 7 + i / 255) as u8).collect();
        let (file, blob) = blob(&content);
        let buffers = Arc::default();
        for range in [
            0..blob.size,
            5..6,
            PIECE as u64 - 1..2 * PIECE as u64 + 3,
            9..9,
            17..u64::MAX,
        ] {
            let pieces: Vec<Bytes> = read(file.path().to_owned(), &blob, range.clone(), &buffers)
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
            let end = usize::try_from(range.end.min(blob.size)).unwrap();
            assert_eq!(pieces.concat(), &content[usize::try_from(range.start).unwrap()..end]);
        }
        assert!(!buffers.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error() {
        let (file, blob) = blob(&[7; 1000]);
        file.as_file().set_len(10).unwrap();
        let error = read(file.path().to_owned(), &blob, 0..1000, &Arc::default())
            .unwrap()
            .try_collect::<Vec<_>>()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
