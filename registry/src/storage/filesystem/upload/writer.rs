//! Writes an upload: one thread hashes and writes ([`WriterThread`]), a bounded channel feeds it ([`UploadHandle`]).
//!
//! The thread flushes every 8 MiB, so that the end of an upload waits for 8 MiB at most, whatever its size. It has the
//! upload's lease and lock, and keeps what it got when whoever feeds it goes away.

use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::open_upload::OpenUpload;
use super::upload_handle::UploadHandle;
use super::writer_thread::WriterThread;
use crate::oci::RepositoryName;
use crate::storage::filesystem::backend::Inner;
use crate::storage::filesystem::locks::upload_lease::Lease;
use crate::storage::{Error, Result, UploadWriter};

/// How many batches wait in the channel.
const BATCHES: usize = 3;

/// Starts the thread that writes `opened`, and gives the side that feeds it.
pub(crate) fn spawn(
    inner: Arc<Inner>,
    repository: RepositoryName,
    opened: OpenUpload,
    lease: Lease,
) -> Result<Box<dyn UploadWriter>> {
    let (batches, received) = mpsc::channel(BATCHES);
    let (outcome, ended) = oneshot::channel();
    let ending = lease.ending();
    let path = opened.layout.data();
    let sink = WriterThread::new(inner, repository, opened);
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
    Ok(Box::new(UploadHandle::new(path, batches, ended, ending)))
}
