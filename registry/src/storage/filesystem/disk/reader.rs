//! Streams a range of a file: what is in the page cache is read inline, the rest on a blocking thread.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use lockgate_files::{BufferPool, Cached, read_cached};
use rustix::fs::Advice;

use crate::storage::{Blob, BlobStream, Error, Result};

/// One piece, one buffer.
const PIECE: usize = 256 * 1024;
/// Buffers that wait for the next read; more are given back to the system.
const IDLE_BUFFERS: usize = 32;

/// The buffers that [`read_range`] reads into.
pub(crate) fn buffers() -> BufferPool {
    BufferPool::new(PIECE, IDLE_BUFFERS)
}

/// The bytes `range` of the file at `path`, which holds `blob`.
pub(crate) fn read_range(path: PathBuf, blob: &Blob, range: Range<u64>, buffers: &BufferPool) -> Result<BlobStream> {
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
        buffers: buffers.clone(),
    };
    Ok(Box::pin(stream::try_unfold(cursor, Cursor::next)))
}

struct Cursor {
    file: Arc<File>,
    path: PathBuf,
    range: Range<u64>,
    buffers: BufferPool,
}

impl Cursor {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let mut buffer = self.buffers.take();
        let wanted = usize::try_from(self.range.end - self.range.start).map_or(PIECE, |left| left.min(PIECE));
        let offset = self.range.start;
        let length = match read_cached(&self.file, &mut buffer.as_mut()[..wanted], offset)? {
            Cached::Read(length) => length,
            Cached::Missed | Cached::Unknown => {
                let file = Arc::clone(&self.file);
                let read = move || {
                    let length = file.read_at(&mut buffer.as_mut()[..wanted], offset)?;
                    Ok::<_, io::Error>((length, buffer))
                };
                let length;
                (length, buffer) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
                length
            }
        };
        if length == 0 {
            let what = format!("{} ends at byte {offset}, its record says more", self.path.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        self.range.start += length as u64;
        Ok(Some((buffer.freeze(length), self)))
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
    async fn ranges_come_in_bounded_pieces() {
        let content: Vec<u8> = (0..3 * PIECE + 17).map(|i| (i * 7 + i / 255) as u8).collect();
        let (file, blob) = blob(&content);
        let buffers = buffers();
        for range in [
            0..blob.size,
            5..6,
            PIECE as u64 - 1..2 * PIECE as u64 + 3,
            9..9,
            17..u64::MAX,
        ] {
            let pieces: Vec<Bytes> = read_range(file.path().to_owned(), &blob, range.clone(), &buffers)
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
            let end = usize::try_from(range.end.min(blob.size)).unwrap();
            assert_eq!(pieces.concat(), &content[usize::try_from(range.start).unwrap()..end]);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error() {
        let (file, blob) = blob(&[7; 1000]);
        file.as_file().set_len(10).unwrap();
        let error = read_range(file.path().to_owned(), &blob, 0..1000, &buffers())
            .unwrap()
            .try_collect::<Vec<_>>()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
