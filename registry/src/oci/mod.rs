//! Pure values of the OCI specifications. Nothing here does I/O; each value can only be made valid.

mod content_range;
mod descriptor;
mod digest;
mod excerpt;
mod manifest;
mod media_type;
pub mod range;
mod reference;
mod repository_name;
mod tag;

pub use content_range::{ContentRange, InvalidContentRange};
pub use descriptor::{Descriptor, Platform, Referrer};
pub use digest::{Algorithm, Digest, InvalidDigest};
pub(crate) use excerpt::excerpt;
pub use manifest::{Content, InvalidManifest, Manifest};
pub use media_type::{InvalidMediaType, MediaType};
pub use reference::{InvalidReference, Reference};
pub use repository_name::{InvalidRepositoryName, RepositoryName};
pub use tag::{InvalidTag, Tag};
