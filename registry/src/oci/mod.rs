//! Pure values of the OCI specifications. Nothing here does I/O; each value can only be made valid.

mod digest;
mod repository_name;
mod tag;

pub use digest::{Algorithm, Digest, InvalidDigest};
pub use repository_name::{InvalidRepositoryName, RepositoryName};
pub use tag::{InvalidTag, Tag};
