//! Locks: who may write an upload, who may change the tags of a repository, who may serve the storage root.

pub(crate) mod repository_locks;
pub(crate) mod root_lock;
pub(crate) mod upload_lease;
