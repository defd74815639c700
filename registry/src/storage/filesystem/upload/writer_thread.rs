//! The thread of an upload: hashes and writes the batches that it is handed, and ends the upload.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::command::{BATCH, Command, Outcome};
use super::hash_state::Hasher;
use super::open_upload::OpenUpload;
use super::state_file::{remove_state, write_state};
use crate::oci::{Digest, RepositoryName};
use crate::storage::filesystem::backend::Inner;
use crate::storage::filesystem::disk::{failpoint, files};
use crate::storage::layout::UploadLayout;
use crate::storage::{Blob, Error, Result};

/// How many bytes are written between two flushes.
const FLUSH_EVERY: u64 = 8 * 1024 * 1024;

/// What the thread has of the upload.
pub(super) struct WriterThread {
    inner: Arc<Inner>,
    repository: RepositoryName,
    layout: UploadLayout,
    data: File,
    size: u64,
    hasher: Hasher,
    /// What surely is on disk, and its hash.
    flushed: (u64, Hasher),
    /// Offset of the state that is on disk.
    stored_at: Option<u64>,
}

impl WriterThread {
    pub(super) fn new(inner: Arc<Inner>, repository: RepositoryName, opened: OpenUpload) -> Self {
        Self {
            inner,
            repository,
            stored_at: Some(opened.hashed).filter(|at| *at > 0),
            size: opened.size,
            flushed: (opened.size, opened.hasher.clone()),
            layout: opened.layout,
            data: opened.data,
            hasher: opened.hasher,
        }
    }

    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<Outcome> {
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
        let hashed = self.stored_at.unwrap_or(0);
        if hashed < self.size {
            let mut hasher = self.hasher.clone();
            self.hash_file(hashed, &mut hasher)?;
            self.hasher = hasher;
            self.data.sync_data().map_err(Error::io("sync", self.layout.data()))?;
            self.flushed = (self.size, self.hasher.clone());
        }
        Ok(())
    }

    fn write(&mut self, pieces: &[Bytes]) -> Result<()> {
        failpoint::reach("upload.write");
        let failed = |error| Error::io("write", self.layout.data())(error);
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        write_all(&mut self.data, &mut slices).map_err(failed)?;
        for piece in pieces {
            self.hasher.update(piece);
            self.size += piece.len() as u64;
        }
        if self.size - self.flushed.0 >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// When it fails, what was written since the last flush is given up: the system says so once, then forgets it.
    fn flush(&mut self) -> Result<()> {
        failpoint::reach("upload.sync");
        match self.data.sync_data() {
            Ok(()) => {
                self.flushed = (self.size, self.hasher.clone());
                Ok(())
            }
            Err(error) => {
                (self.size, self.hasher) = self.flushed.clone();
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
        let blob_directory = durable.prepare(files::parent(&blob))?;
        let link_directory = durable.prepare(files::parent(&link))?;
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
        for directory in [files::parent(&states), &states] {
            if !directory.is_dir() {
                files::make_dir(directory).map_err(Error::io("create directory", directory))?;
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
