//! Why the rules refuse an operation.

use crate::oci::{Digest, InvalidContentRange, InvalidManifest, InvalidMediaType, MediaType};
use crate::storage;

/// Result of an operation of the registry.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed. `http/error` gives each a status and a code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Storage: something is not there, does not match, or failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// `storage.maintenance.readonly`
    #[error("the registry is read-only for maintenance (storage.maintenance.readonly), try again later")]
    ReadOnly,
    /// `storage.delete.enabled` is off.
    #[error("deleting is switched off (storage.delete.enabled)")]
    DeleteDisabled,
    /// The `Content-Range` of a chunk.
    #[error(transparent)]
    ContentRange(#[from] InvalidContentRange),
    /// A chunk is not as long as announced.
    #[error("the chunk has {received} bytes, {announced} were announced")]
    ChunkLength {
        /// By `Content-Range`, or `Content-Length`.
        announced: u64,
        /// What came, or what `Content-Length` said against `Content-Range`.
        received: u64,
    },
    /// The manifest itself.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    /// The `Content-Type` that a manifest was sent with.
    #[error("the Content-Type of the manifest: {0}")]
    ContentType(#[from] InvalidMediaType),
    /// `Content-Type` and manifest say different things.
    #[error("the manifest was sent as {declared}, but it is {actual}; send it with its own type")]
    MediaTypeMismatch {
        /// `Content-Type`
        declared: MediaType,
        /// `mediaType`, or what the shape says.
        actual: MediaType,
    },
    /// The manifest is larger than `storage.manifest.maxsize`.
    #[error("a manifest has at most {limit} bytes here (storage.manifest.maxsize)")]
    ManifestTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The manifest refers to what the repository does not have.
    #[error("the manifest refers to {} blobs or manifests that the repository does not have, push them first", .missing.len() + .others)]
    ReferencesUnknown {
        /// The first of what is missing, each once, in the manifest's order.
        missing: Vec<Digest>,
        /// How many more are missing.
        others: usize,
    },
    /// A layer names an address that `validation.manifests.urls` does not allow.
    #[error(
        "layer {digest} has the URL `{url}`, which is no http(s) URL without fragment, or not allowed (validation.manifests.urls)"
    )]
    LayerUrl {
        /// The layer.
        digest: Digest,
        /// Its URL.
        url: String,
    },
    /// What is stored as a manifest is none.
    #[error("what is stored as manifest {digest} cannot be read: {source}")]
    StoredManifest {
        /// The revision.
        digest: Digest,
        /// What is wrong with it.
        source: InvalidManifest,
    },
}

impl Error {
    /// Whether it says that a blob, manifest, tag or repository is not there.
    pub(super) fn is_absence(error: &storage::Error) -> bool {
        matches!(
            error,
            storage::Error::RepositoryUnknown(_)
                | storage::Error::BlobUnknown(_)
                | storage::Error::ManifestUnknown(_)
                | storage::Error::TagUnknown(_)
        )
    }

    /// `None` when it is not there; other errors stay.
    pub(super) fn absent<T>(result: storage::Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if Self::is_absence(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
