//! What handlers work with: the state that all requests share, and what is known of one request.

pub(crate) mod app;
pub(crate) mod metrics;
pub(crate) mod origin;
pub(crate) mod request_context;
pub(crate) mod settings;
pub(crate) mod storage_health;
