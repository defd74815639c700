//! Who may write, and who may serve.

pub(crate) mod lease;
pub(crate) mod owner;
pub(crate) mod repository_locks;
