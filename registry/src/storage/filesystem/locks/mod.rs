//! Who may write, and who may serve.

pub(crate) mod repository_locks;
pub(crate) mod root_lock;
pub(crate) mod upload_lease;
