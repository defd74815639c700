//! Pure values of the OCI specifications. Nothing here does I/O; each value can only be made valid.

mod content_range;
mod descriptor;
mod digest;
mod manifest;
mod media_type;
pub mod range;
mod reference;
mod repository_name;
mod tag;

pub use content_range::{ContentRange, InvalidContentRange};
pub use descriptor::{Descriptor, Platform, Referrer};
pub use digest::{Algorithm, Digest, InvalidDigest};
pub use manifest::{Content, InvalidManifest, Manifest};
pub use media_type::{InvalidMediaType, MediaType};
pub use reference::{InvalidReference, Reference};
pub use repository_name::{InvalidRepositoryName, RepositoryName};
pub use tag::{InvalidTag, Tag};

/// Enough of a wrong value to recognise it by, never all of a huge one.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
