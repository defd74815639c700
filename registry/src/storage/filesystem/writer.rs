//! Writes an upload: one thread hashes and writes, a bounded channel feeds it.
//!
//! The thread flushes every 8 MiB, so that the end of an upload waits for 8 MiB at most, whatever its size. It has the
//! upload's lease and lock, and keeps what it got when whoever feeds it goes away.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::hash_state::Hasher;
use super::lease::{Ending, Lease};
use super::uploads::{Opened, remove_state, write_state};
use super::{Inner, durable, fault};
use crate::oci::{Digest, RepositoryName};
use crate::storage::layout::UploadLayout;
use crate::storage::{Blob, Error, Result, UploadWriter};

/// Bytes that go through the channel at once.
const BATCH: usize = 256 * 1024;
/// Batches in the channel.
const BATCHES: usize = 3;
/// Shorter pieces are copied together, so that a batch has few parts.
const SMALL_PIECE: usize = 16 * 1024;
/// Bytes between two flushes.
const FLUSH_EVERY: u64 = 8 * 1024 * 1024;

/// Starts the thread.
pub(super) fn spawn(
    inner: Arc<Inner>,
    repository: RepositoryName,
    opened: Opened,
    lease: Lease,
) -> Result<Box<dyn UploadWriter>> {
    let (batches, received) = mpsc::channel(BATCHES);
    let (outcome, ended) = oneshot::channel();
    let ending = lease.ending();
    let path = opened.layout.data();
    let sink = Sink {
        inner,
        repository,
        stored_at: Some(opened.hashed).filter(|at| *at > 0),
        hashed: opened.hashed,
        size: opened.size,
        flushed: (opened.size, opened.hasher.clone()),
        layout: opened.layout,
        data: opened.data,
        hasher: opened.hasher,
    };
    thread::Builder::new()
        .name("upload".to_owned())
        .spawn(move || {
            let result = sink.run(received);
            drop(lease);
            if let Err(Err(error)) = outcome.send(result) {
                tracing::warn!(%error, "upload failed after its client was gone");
            }
        })
        .map_err(Error::io("start a thread for", &path))?;
    Ok(Box::new(Feed {
        path,
        batches: Some(batches),
        ended: Some(ended),
        ending,
        pieces: Vec::new(),
        small: BytesMut::new(),
        length: 0,
    }))
}

/// What the thread is told; when it is told nothing any more, it ends and keeps what it has.
enum Command {
    Write(Vec<Bytes>),
    Finish(Digest),
}

/// How the thread ended.
enum Outcome {
    Kept(u64),
    Stored(Blob),
}

/// The side that feeds the thread.
struct Feed {
    path: std::path::PathBuf,
    batches: Option<mpsc::Sender<Command>>,
    ended: Option<oneshot::Receiver<Result<Outcome>>>,
    ending: Ending,
    /// The next batch, its last part in `small`.
    pieces: Vec<Bytes>,
    small: BytesMut,
    length: usize,
}

#[async_trait]
impl UploadWriter for Feed {
    async fn write(&mut self, mut piece: Bytes) -> Result<()> {
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(BATCH - self.length));
            self.length += part.len();
            if part.len() < SMALL_PIECE {
                self.small.extend_from_slice(&part);
            } else {
                self.seal_small();
                self.pieces.push(part);
            }
            if self.length == BATCH {
                self.send_batch().await?;
            }
        }
        Ok(())
    }

    async fn pause(mut self: Box<Self>) -> Result<u64> {
        self.send_batch().await?;
        match self.end().await? {
            Outcome::Kept(offset) => Ok(offset),
            Outcome::Stored(_) => Err(self.lost()),
        }
    }

    async fn finish(mut self: Box<Self>, digest: &Digest) -> Result<Blob> {
        self.send_batch().await?;
        self.send(Command::Finish(digest.clone())).await?;
        match self.end().await? {
            Outcome::Stored(blob) => Ok(blob),
            Outcome::Kept(_) => Err(self.lost()),
        }
    }
}

impl Feed {
    fn seal_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }

    fn take_batch(&mut self) -> Option<Command> {
        self.seal_small();
        self.length = 0;
        let pieces = std::mem::take(&mut self.pieces);
        (!pieces.is_empty()).then_some(Command::Write(pieces))
    }

    async fn send_batch(&mut self) -> Result<()> {
        match self.take_batch() {
            Some(batch) => self.send(batch).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, command: Command) -> Result<()> {
        if let Some(batches) = &self.batches
            && batches.send(command).await.is_ok()
        {
            return Ok(());
        }
        // The thread takes nothing any more: it failed, and says why.
        self.end().await.and(Err(self.lost()))
    }

    async fn end(&mut self) -> Result<Outcome> {
        self.ending.announce();
        self.batches = None;
        match self.ended.take() {
            Some(ended) => ended.await.unwrap_or_else(|_| Err(self.lost())),
            None => Err(self.lost()),
        }
    }

    fn lost(&self) -> Error {
        Error::io("write", &self.path)(io::Error::other("the thread of the upload has ended"))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(batches) = self.batches.take() {
            self.ending.announce();
            // Full when the disk is behind; the client sends what is missing again.
            if let Some(batch) = self.take_batch() {
                let _ = batches.try_send(batch);
            }
        }
    }
}

/// The thread's side.
struct Sink {
    inner: Arc<Inner>,
    repository: RepositoryName,
    layout: UploadLayout,
    data: File,
    size: u64,
    hasher: Hasher,
    hashed: u64,
    /// What surely is on disk, and its hash.
    flushed: (u64, Hasher),
    /// Offset of the state that is on disk.
    stored_at: Option<u64>,
}

impl Sink {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<Outcome> {
        self.catch_up()?;
        while let Some(command) = commands.blocking_recv() {
            match command {
                Command::Write(pieces) => {
                    if let Err(error) = self.write(&pieces) {
                        self.roll_back();
                        return Err(error);
                    }
                }
                Command::Finish(digest) => return self.finish(&digest).map(Outcome::Stored),
            }
        }
        self.keep()?;
        Ok(Outcome::Kept(self.size))
    }

    /// Hashes what is on disk beyond the last state that was stored. Nothing, unless a process died.
    fn catch_up(&mut self) -> Result<()> {
        if self.hashed < self.size {
            let mut hasher = self.hasher.clone();
            self.hash_file(self.hashed, &mut hasher)?;
            self.hasher = hasher;
            self.hashed = self.size;
            self.data.sync_data().map_err(Error::io("sync", self.layout.data()))?;
            self.flushed = (self.size, self.hasher.clone());
        }
        Ok(())
    }

    fn write(&mut self, pieces: &[Bytes]) -> Result<()> {
        fault::point("upload.write");
        let failed = |error| Error::io("write", self.layout.data())(error);
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        write_all(&mut self.data, &mut slices).map_err(failed)?;
        for piece in pieces {
            self.hasher.update(piece);
            self.size += piece.len() as u64;
        }
        self.hashed = self.size;
        if self.size - self.flushed.0 >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// When it fails, what was written since the last flush is given up: the system says so once, then forgets it.
    fn flush(&mut self) -> Result<()> {
        fault::point("upload.sync");
        match self.data.sync_data() {
            Ok(()) => {
                self.flushed = (self.size, self.hasher.clone());
                Ok(())
            }
            Err(error) => {
                (self.size, self.hasher) = self.flushed.clone();
                self.hashed = self.size;
                let _ = self.data.set_len(self.size);
                Err(Error::io("sync", self.layout.data())(error))
            }
        }
    }

    /// Leaves the upload so that it can be gone on with: data first, then the state that vouches for it.
    fn keep(&mut self) -> Result<()> {
        self.flush()?;
        if self.stored_at != Some(self.size) && self.size > 0 {
            self.ensure_state_directory()?;
            write_state(&self.layout, &self.hasher, self.size)?;
            if let Some(offset) = self.stored_at.replace(self.size) {
                remove_state(&self.layout, self.hasher.algorithm(), offset);
            }
        }
        Ok(())
    }

    /// After a failure: back to the last byte that was written and hashed.
    fn roll_back(&mut self) {
        let kept = self
            .data
            .set_len(self.size)
            .map_err(Error::io("truncate", self.layout.data()));
        if let Err(error) = kept.and_then(|()| self.keep()) {
            // Without a state the next writer hashes anew.
            tracing::debug!(%error, "upload kept without its hash state");
        }
    }

    fn finish(mut self, declared: &Digest) -> Result<Blob> {
        let actual = self.actual(declared)?;
        if actual != *declared {
            self.remove();
            return Err(Error::DigestMismatch {
                declared: declared.clone(),
                actual,
            });
        }
        match self.store(declared) {
            Ok(()) => {
                self.remove();
                Ok(Blob::stored(declared, self.size))
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    fn actual(&self, declared: &Digest) -> Result<Digest> {
        if declared.algorithm() == self.hasher.algorithm() {
            return Ok(self.hasher.digest());
        }
        // The client did not announce its algorithm when it began. The only case in which an upload is read again.
        let mut hasher = Hasher::new(declared.algorithm());
        self.hash_file(0, &mut hasher)?;
        Ok(hasher.digest())
    }

    /// Everything that needs space comes before the first rename, so a full disk leaves the upload as it was.
    fn store(&mut self, digest: &Digest) -> Result<()> {
        let durable = &self.inner.durable;
        let blob = self.inner.layout.blob_data(digest);
        let link = self.inner.layout.repository(&self.repository).layer_link(digest);
        let blob_directory = durable.prepare(durable::parent(&blob))?;
        let link_directory = durable.prepare(durable::parent(&link))?;
        let staged_link = durable.stage(digest.to_string().as_bytes())?;
        self.flush()?;
        let durable = &self.inner.durable;
        durable.place(&self.layout.data(), &blob, blob_directory)?;
        durable.place_staged(staged_link, &link, link_directory)
    }

    /// What cannot be removed is removed by a purge.
    fn remove(&self) {
        if let Err(error) = self.inner.durable.remove_tree(self.layout.directory()) {
            tracing::warn!(%error, "an upload that ended was not removed");
        }
    }

    fn hash_file(&self, from: u64, hasher: &mut Hasher) -> Result<()> {
        let failed = |error| Error::io("read", self.layout.data())(error);
        let mut file = &self.data;
        file.seek(SeekFrom::Start(from)).map_err(failed)?;
        let mut buffer = vec![0; BATCH];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => hasher.update(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// distribution makes it at the first write of a state.
    fn ensure_state_directory(&self) -> Result<()> {
        let states = self.layout.hash_states(self.hasher.algorithm());
        for directory in [durable::parent(&states), &states] {
            if !directory.is_dir() {
                durable::make_dir(directory).map_err(Error::io("create directory", directory))?;
            }
        }
        Ok(())
    }
}

fn write_all(data: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match data.write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => IoSlice::advance_slices(&mut slices, length),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
