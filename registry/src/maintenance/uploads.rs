//! Removes abandoned uploads, again and again.

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
