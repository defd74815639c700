//! What a request is answered with: the state that all requests share, and what is known of one.

pub(crate) mod app;
pub(crate) mod call;
pub(crate) mod forwarded;
pub(crate) mod health;
pub(crate) mod metrics;
