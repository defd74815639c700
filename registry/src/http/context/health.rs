//! How healthy the storage is: `/readyz` checks when it is asked. Where `health.storagedriver` is enabled it is checked in
//! the background as well, and told by 503 on the API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use lockgate_config::StorageHealth;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use super::app::App;
use crate::http::error::ApiError;
use crate::storage::{Catalog, Condition, Storage};

/// A check writes to the disk, and whoever asks needs no account: it is done once within this time.
const CHECKED_FOR: Duration = Duration::from_secs(1);

/// The last check that `/readyz` did, and what it found when the storage worked.
#[derive(Debug, Default)]
pub(crate) struct LastCheck(Mutex<Option<(Instant, Option<Condition>)>>);

/// The answer of `/readyz`: the API may be refused already, and a failure of this moment is not yet seen by the watch.
pub(crate) async fn ready(app: &App) -> HttpResponse {
    let condition = match app.is_healthy() {
        true => condition(app).await,
        false => None,
    };
    match condition {
        None => ApiError::unhealthy().into_response(),
        Some(condition) => match remark(condition).filter(|_| !app.registry.is_read_only()) {
            Some(remark) => HttpResponse::Ok().json(json!({ "remarks": [remark] })),
            None => HttpResponse::Ok().finish(),
        },
    }
}

/// What whoever runs the registry should know; `lockgate status` passes it on.
fn remark(condition: Condition) -> Option<&'static str> {
    match condition {
        Condition::Writable => None,
        Condition::Full => Some("no space is left on the storage device: pulls are served, pushes are refused"),
        Condition::ReadOnly => Some(
            "the storage is on a read-only filesystem: pulls are served, pushes are refused; where that is meant, say \
             storage.maintenance.readonly: {enabled: true}",
        ),
    }
}

/// Those who ask at the same time wait for one check.
async fn condition(app: &App) -> Option<Condition> {
    let mut last = app.last_check.0.lock().await;
    if let Some((checked, found)) = *last
        && checked.elapsed() < CHECKED_FOR
    {
        return found;
    }
    let checked = app.registry.storage_health().await;
    if let Err(error) = &checked {
        tracing::warn!(%error, "storage check failed");
    }
    let found = checked.ok();
    *last = Some((Instant::now(), found));
    found
}

/// Checks the storage for ever: unhealthy after `threshold` failures in a row, healthy again after one success.
pub(crate) async fn watch(app: Arc<App>, storage: Arc<dyn Storage>, settings: StorageHealth) {
    let mut failures = 0;
    let mut timer = interval(settings.interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        match Catalog::health(&*storage).await {
            Ok(_) => {
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
