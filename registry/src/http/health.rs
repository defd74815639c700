//! How healthy the storage is: checked in the background, told by `/readyz` and by 503 on the API.

use std::sync::Arc;

use lockgate_config::StorageHealth;
use tokio::time::{MissedTickBehavior, interval};

use super::app::App;
use crate::storage::{Catalog, Storage};

/// Checks the storage for ever: unhealthy after `threshold` failures in a row, healthy again after one success.
pub(crate) async fn watch(app: Arc<App>, storage: Arc<dyn Storage>, settings: StorageHealth) {
    let mut failures = 0;
    let mut timer = interval(settings.interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        match Catalog::check(&*storage).await {
            Ok(()) => {
                if !app.is_healthy() {
                    tracing::info!("storage is healthy again");
                }
                failures = 0;
                app.set_healthy();
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "storage check failed");
                if failures >= settings.threshold && app.is_healthy() {
                    tracing::error!("storage is unhealthy: the API answers 503 until it recovers");
                    app.set_unhealthy(error.to_string());
                }
            }
        }
    }
}
