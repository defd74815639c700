//! A file, or pieces of it, as the body of an answer: what the registry hands off, and files beside the registry.

use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use lockgate_files::{BufferPool, Cached, PooledBuffer, read_cached};
use lockgate_wire::{Handoff, HandoffContent, Multipart};
use pingora::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;
use rustix::fs::{Advice, fadvise};
use rustix::io::pread;

use crate::blob::buffers::BUFFER_SIZE;
use crate::blob::root_dir::{OpenFile, RootDir};

/// How far ahead the kernel is asked to read once the page cache has missed.
const READ_AHEAD: u64 = 2 * 1024 * 1024;

/// Why a blob cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// There is no such file any more, or it lies elsewhere.
    #[error("{0} is not below the blob root")]
    Missing(PathBuf),
    /// The file has fewer bytes than the registry promised.
    #[error("{path} has {size} bytes, {expected} were promised")]
    TooShort {
        /// Below the blob root.
        path: PathBuf,
        /// Bytes that it has.
        size: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// The system refused to open it.
    #[error("{path}: {source}")]
    Io {
        /// Below the blob root.
        path: PathBuf,
        source: io::Error,
    },
}

/// An open file and what is left to send of it.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: Arc<std::fs::File>,
    offset: u64,
    end: u64,
    inline: bool,
    /// Which parts of the file are sent, where it is not one piece.
    parts: Option<Box<Multipart>>,
}

impl FileBody {
    /// Opens the file of `handoff` below `root`, so that a missing one can still become a proper answer.
    pub(crate) fn open(handoff: Handoff, root: &RootDir) -> Result<Self, OpenError> {
        let (content, path) = handoff.into_content_and_path();
        let path = PathBuf::from(path);
        let OpenFile { file, size, .. } = match root.open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OpenError::Missing(path)),
            Err(source) => return Err(OpenError::Io { path, source }),
        };
        let (range, parts) = match content {
            HandoffContent::Range(range) => {
                // Larger read-ahead by the kernel; a hint, so a refusal does not matter.
                let _ = fadvise(
                    &file,
                    range.start,
                    NonZeroU64::new(range.end - range.start),
                    Advice::Sequential,
                );
                (range, None)
            }
            HandoffContent::Parts(multipart) => (0..multipart.size(), Some(Box::new(multipart))),
        };
        if size < range.end {
            return Err(OpenError::TooShort {
                path,
                size,
                expected: range.end,
            });
        }
        Ok(Self {
            file: Arc::new(file),
            offset: range.start,
            end: range.end,
            inline: true,
            parts,
        })
    }

    /// The whole of `opened`.
    pub(crate) fn whole(opened: OpenFile) -> Self {
        Self {
            file: Arc::new(opened.file),
            offset: 0,
            end: opened.size,
            inline: true,
            parts: None,
        }
    }

    /// Sends it as the body of the answer whose header is written already.
    pub(crate) async fn send(mut self, session: &mut Session, buffers: &BufferPool) -> Result<()> {
        let Some(multipart) = self.parts.take() else {
            return self.send_rest(session, buffers, true).await;
        };
        for (head, range) in multipart.parts() {
            write(session, head.into(), false).await?;
            (self.offset, self.end) = (range.start, range.end);
            self.send_rest(session, buffers, false).await?;
        }
        write(session, multipart.tail().into(), true).await
    }

    /// Sends what is left; `ends`: nothing follows it.
    async fn send_rest(&mut self, session: &mut Session, buffers: &BufferPool, ends: bool) -> Result<()> {
        while self.offset < self.end {
            let chunk = self
                .read(buffers)
                .await
                .or_err(ErrorType::FileReadError, "reading a blob")?;
            write(session, chunk, ends && self.offset == self.end).await?;
            if self.offset < self.end {
                // A client that takes everything at once would keep the thread from small requests.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Reads the next piece: inline when the page cache has it, on a blocking thread otherwise.
    async fn read(&mut self, buffers: &BufferPool) -> io::Result<Bytes> {
        let wanted = usize::try_from(self.end - self.offset)
            .unwrap_or(usize::MAX)
            .min(BUFFER_SIZE);
        let mut buffer = buffers.take();
        let read = if self.inline {
            self.read_cached(&mut buffer.as_mut()[..wanted])?
        } else {
            None
        };
        let (buffer, length) = match read {
            Some(length) => (buffer, length),
            None => self.read_blocking(buffer, wanted).await?,
        };
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        self.offset += length as u64;
        Ok(buffer.freeze(length))
    }

    fn read_cached(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(match read_cached(&self.file, into, self.offset)? {
            Cached::Read(length) => Some(length),
            Cached::Missed => None,
            Cached::Unknown => {
                self.inline = false;
                None
            }
        })
    }

    async fn read_blocking(&self, mut buffer: PooledBuffer, wanted: usize) -> io::Result<(PooledBuffer, usize)> {
        let (file, offset) = (self.file.clone(), self.offset);
        let ahead = (self.end - offset).min(READ_AHEAD);
        let read = tokio::task::spawn_blocking(move || {
            let _ = fadvise(&file, offset, NonZeroU64::new(ahead), Advice::WillNeed);
            let length = rustix::io::retry_on_intr(|| pread(&file, &mut buffer.as_mut()[..wanted], offset))?;
            Ok((buffer, length))
        });
        read.await.map_err(io::Error::other)?
    }
}

async fn write(session: &mut Session, piece: Bytes, is_last: bool) -> Result<()> {
    session
        .write_response_body(Some(piece), is_last)
        .await
        .map_err(Error::into_down)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(handoff: &str, root: &RootDir) -> Result<FileBody, OpenError> {
        FileBody::open(handoff.parse().unwrap(), root)
    }

    #[tokio::test]
    async fn the_piece_asked_for_is_read_cached_or_not() {
        let place = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        fs::write(place.path().join("data"), &content).unwrap();
        let root = RootDir::new(place.path().to_owned());
        for inline in [true, false] {
            for (offset, length) in [(0, content.len()), (1, 0), (70_001, 131_072), (content.len() - 1, 1)] {
                let mut blob = open(&format!("{offset} {length} data"), &root).unwrap();
                blob.inline = inline;
                let mut read = Vec::new();
                while blob.offset < blob.end {
                    read.extend_from_slice(&blob.read(&crate::blob::buffers::pool()).await.unwrap());
                }
                assert!(read == content[offset..offset + length], "{offset} {length} {inline}");
            }
        }
    }

    #[test]
    fn a_missing_and_a_short_file_are_told_apart() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("data"), "12345").unwrap();
        let root = RootDir::new(place.path().to_owned());
        assert!(open("2 3 data", &root).is_ok());
        assert!(matches!(
            open("2 4 data", &root),
            Err(OpenError::TooShort {
                size: 5,
                expected: 6,
                ..
            })
        ));
        assert!(open("multipart b 5 0-0,4-4 data", &root).is_ok());
        assert!(matches!(
            open("multipart b 6 0-0,4-4 data", &root),
            Err(OpenError::TooShort { .. })
        ));
        assert!(matches!(open("0 1 gone", &root), Err(OpenError::Missing(_))));
        assert!(matches!(open("0 1 ../data", &root), Err(OpenError::Missing(_))));
    }
}
