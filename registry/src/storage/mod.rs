//! What was pushed, kept: traits that speak of blobs, uploads, manifests, tags and referrers, and the backends behind them.

mod error;
pub mod filesystem;
mod layout;
mod traits;
mod upload_id;
mod values;

pub use error::{Error, Result};
pub use layout::Layout;
pub use traits::{BlobStore, Catalog, ManifestStore, ReferrerStore, Storage, TagStore, UploadStore, UploadWriter};
pub use upload_id::UploadId;
pub use values::{Blob, BlobStream, Condition, Page, PurgedUpload, UploadStatus};
