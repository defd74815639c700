//! Removes abandoned uploads at a regular interval.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use lockgate_config::UploadPurging;

use crate::storage::UploadStore;

/// Purges at once and then every `purging.interval`, until `stop` completes; a purge under way is then left to its thread.
pub async fn purge_loop(storage: Arc<dyn UploadStore>, purging: UploadPurging, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    loop {
        let round = pin!(async {
            purge(&*storage, purging).await;
            tokio::time::sleep(purging.interval).await;
        });
        if let Either::Left(_) = select(stop.as_mut(), round).await {
            return;
        }
    }
}

async fn purge(storage: &dyn UploadStore, purging: UploadPurging) {
    match storage.purge_uploads(purging.age, purging.dry_run).await {
        Ok(purged) => {
            for upload in purged {
                tracing::info!(
                    repository = %upload.repository,
                    upload = %upload.id,
                    age_seconds = upload.age.as_secs(),
                    dry_run = purging.dry_run,
                    "abandoned upload removed"
                );
            }
        }
        Err(error) => tracing::error!(%error, "abandoned uploads could not be looked for"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::oci::{Algorithm, RepositoryName};
    use crate::storage::{Error, PurgedUpload, Result, UploadId, UploadStatus, UploadWriter};

    /// Tells of each purge; the first one fails.
    struct Recorder(Mutex<mpsc::UnboundedSender<(Duration, bool)>>);

    #[async_trait]
    impl UploadStore for Recorder {
        async fn purge_uploads(&self, age: Duration, dry_run: bool) -> Result<Vec<PurgedUpload>> {
            self.0.lock().unwrap().send((age, dry_run)).unwrap();
            Err(Error::UploadUnknown(UploadId::random()))
        }
        async fn begin_upload(&self, _: &RepositoryName, _: Algorithm) -> Result<UploadId> {
            unreachable!("a purge begins nothing")
        }
        async fn upload(&self, _: &RepositoryName, _: &UploadId) -> Result<UploadStatus> {
            unreachable!("a purge asks for no upload")
        }
        async fn append(&self, _: &RepositoryName, _: &UploadId, _: Option<u64>) -> Result<Box<dyn UploadWriter>> {
            unreachable!("a purge writes nothing")
        }
        async fn discard_idle_upload(&self, _: &RepositoryName, _: &UploadId) -> Result<bool> {
            unreachable!("a purge looks for age")
        }
        async fn cancel_upload(&self, _: &RepositoryName, _: &UploadId) -> Result<()> {
            unreachable!("a purge cancels nothing")
        }
    }

    // proves: MAKINA-14
    #[tokio::test]
    async fn purges_at_once_and_again_until_stopped() {
        let (sender, mut purges) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let purging = UploadPurging {
            age: Duration::from_secs(7),
            interval: Duration::from_millis(1),
            dry_run: true,
        };
        let storage = Arc::new(Recorder(Mutex::new(sender)));
        let task = tokio::spawn(purge_loop(storage, purging, async { drop(stopped.await) }));
        for _ in 0..3 {
            assert_eq!(purges.recv().await, Some((Duration::from_secs(7), true)));
        }
        drop(stop);
        task.await.unwrap();
    }
}
