//! What a request writes to: gathers batches and hands them to the thread, waiting while the disk is behind.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::command::{BATCH, Command, Outcome};
use crate::oci::Digest;
use crate::storage::filesystem::locks::upload_lease::EndNotice;
use crate::storage::{Blob, Error, Result, UploadWriter};

/// Shorter pieces are copied together, so that a batch has few parts.
const SMALL_PIECE: usize = 16 * 1024;

/// The side that feeds the thread.
pub(super) struct UploadHandle {
    path: PathBuf,
    batches: Option<mpsc::Sender<Command>>,
    ended: Option<oneshot::Receiver<Result<Outcome>>>,
    ending: EndNotice,
    /// The next batch, its last part in `small`.
    pieces: Vec<Bytes>,
    small: BytesMut,
    length: usize,
}

#[async_trait]
impl UploadWriter for UploadHandle {
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

impl UploadHandle {
    pub(super) fn new(
        path: PathBuf,
        batches: mpsc::Sender<Command>,
        ended: oneshot::Receiver<Result<Outcome>>,
        ending: EndNotice,
    ) -> Self {
        Self {
            path,
            batches: Some(batches),
            ended: Some(ended),
            ending,
            pieces: Vec::new(),
            small: BytesMut::new(),
            length: 0,
        }
    }

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

impl Drop for UploadHandle {
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
