//! The way to the registry.

pub(crate) mod ask;
pub(crate) mod connect;
pub(crate) mod limits;
pub(crate) mod resume;
pub(crate) mod retry;
