//! Blobs from their files, which the registry names.

pub(crate) mod buffers;
pub(crate) mod file_body;
pub(crate) mod root_dir;
