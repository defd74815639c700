//! What every request needs: the rules, the rights, the settings of the HTTP layer, and how healthy the storage is.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::metrics::Metrics;
use super::settings::HttpSettings;
use super::storage_health::StorageHealth;
use crate::auth::AccessController;
use crate::control::ConfirmedLog;
use crate::service::Registry;

/// What all workers share.
pub(crate) struct App {
    pub(crate) registry: Registry,
    pub(crate) access: AccessController,
    pub(crate) settings: ArcSwap<HttpSettings>,
    /// `http.debug.prometheus`
    pub(crate) metrics: Option<Metrics>,
    pub(crate) health: Arc<StorageHealth>,
    /// How removals are told of before they happen.
    pub(crate) audit: ConfirmedLog,
}

impl App {
    pub(crate) fn new(
        registry: Registry,
        access: AccessController,
        settings: HttpSettings,
        metrics: Option<Metrics>,
        audit: ConfirmedLog,
    ) -> Arc<Self> {
        Arc::new(Self {
            registry,
            access,
            settings: ArcSwap::from_pointee(settings),
            metrics,
            health: Arc::default(),
            audit,
        })
    }
}
