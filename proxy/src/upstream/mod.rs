//! The registry: connections to it, what may be sent to it twice, and uploads that outlive it.

pub(crate) mod ask;
pub(crate) mod connect;
pub(crate) mod limits;
pub(crate) mod resume;
pub(crate) mod retry;
