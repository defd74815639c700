//! How healthy the storage is: checked in the background where `health.storagedriver` is enabled, told by `/readyz` and
//! by 503 on the API. Where it is not, `/readyz` alone tells, and checks when it is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use lockgate_config::StorageHealth;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use super::app::App;
use super::error::ApiError;
use crate::storage::{Catalog, Storage};

/// A check writes to the disk, and whoever asks needs no account: it is done once within this time.
const CHECKED_FOR: Duration = Duration::from_secs(1);

/// The last check that `/readyz` did, and whether the storage worked.
#[derive(Debug, Default)]
pub(crate) struct LastCheck(Mutex<Option<(Instant, bool)>>);

/// The answer of `/readyz`.
pub(crate) async fn ready(app: &App) -> HttpResponse {
    let is_ready = match app.is_watched {
        true => app.is_healthy(),
        false => is_storage_working(app).await,
    };
    match is_ready {
        true => HttpResponse::Ok().finish(),
        false => ApiError::unhealthy().into_response(),
    }
}

/// Those who ask at the same time wait for one check.
async fn is_storage_working(app: &App) -> bool {
    let mut last = app.last_check.0.lock().await;
    if let Some((checked, is_working)) = *last
        && checked.elapsed() < CHECKED_FOR
    {
        return is_working;
    }
    let checked = app.registry.check_storage().await;
    if let Err(error) = &checked {
        tracing::warn!(%error, "storage check failed");
    }
    *last = Some((Instant::now(), checked.is_ok()));
    checked.is_ok()
}

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
