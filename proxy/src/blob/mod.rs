//! Blobs from their files, which the registry names.

pub(crate) mod buffers;
pub(crate) mod handoff;
pub(crate) mod root_dir;
