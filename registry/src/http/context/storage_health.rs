//! How healthy the storage is, as far as this process has looked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use lockgate_config::StorageHealth as HealthSettings;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use crate::service::Registry;
use crate::storage::{Condition, Storage};

/// A check writes to the disk, and `/readyz` needs no account: it is done once within this time.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Two views of the storage: what the background check (`health.storagedriver`) last decided, and what `/readyz` found.
#[derive(Default)]
pub(crate) struct StorageHealth {
    /// Why the background check calls the storage unhealthy.
    problem: ArcSwapOption<String>,
    /// When `/readyz` last looked, and the condition that it found; `None` when the storage did not work.
    last_check: Mutex<Option<(Instant, Option<Condition>)>>,
}

impl StorageHealth {
    /// False while the background check finds that the storage does not work: the API answers 503 then.
    pub(crate) fn is_healthy(&self) -> bool {
        self.problem.load().is_none()
    }

    /// What the background check found, while it calls the storage unhealthy.
    pub(crate) fn problem(&self) -> Option<Arc<String>> {
        self.problem.load_full()
    }

    /// The condition at this moment, `None` when the storage does not work. Requests at the same time share one check.
    pub(crate) async fn check(&self, registry: &Registry) -> Option<Condition> {
        let mut last = self.last_check.lock().await;
        if let Some((checked, found)) = *last
            && checked.elapsed() < CHECK_INTERVAL
        {
            return found;
        }
        let checked = registry.storage_health().await;
        if let Err(error) = &checked {
            tracing::warn!(%error, "storage check failed");
        }
        let found = checked.ok();
        *last = Some((Instant::now(), found));
        found
    }
}

/// Checks the storage for ever: unhealthy after `threshold` failures in a row, healthy again after one success.
pub(crate) async fn watch(health: Arc<StorageHealth>, storage: Arc<dyn Storage>, settings: HealthSettings) {
    let mut failures = 0;
    let mut timer = interval(settings.interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        match storage.health().await {
            Ok(_) => {
                if !health.is_healthy() {
                    tracing::info!("storage is healthy again");
                }
                failures = 0;
                health.problem.store(None);
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "storage check failed");
                if failures >= settings.threshold && health.is_healthy() {
                    tracing::error!("storage is unhealthy: the API answers 503 until it recovers");
                    health.problem.store(Some(Arc::new(error.to_string())));
                }
            }
        }
    }
}
