//! Files as bodies: blobs that the registry hands off, and files beside the registry.

pub(crate) mod buffers;
pub(crate) mod file_body;
pub(crate) mod root_dir;
