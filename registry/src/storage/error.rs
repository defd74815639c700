//! Errors of every storage backend.

use std::io;
use std::path::{Path, PathBuf};

use super::upload_id::UploadId;
use crate::oci::{Digest, RepositoryName, Tag};

/// Result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One error for every backend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository does not exist.
    #[error("repository {0} is not known")]
    RepositoryUnknown(RepositoryName),
    /// The blob is not in the repository.
    #[error("blob {0} is not known to the repository")]
    BlobUnknown(Digest),
    /// The revision is not in the repository.
    #[error("manifest {0} is not known to the repository")]
    ManifestUnknown(Digest),
    /// The tag is not in the repository.
    #[error("tag {0} is not known to the repository")]
    TagUnknown(Tag),
    /// No such upload, or it ended.
    #[error("upload {0} is not known, begin a new one")]
    UploadUnknown(UploadId),
    /// Another request writes to it.
    #[error("upload {0} is being written by another request")]
    UploadBusy(UploadId),
    /// The piece does not begin where the upload ends.
    #[error("the upload ends at {offset}, go on from there")]
    UploadOffset {
        /// How many bytes the upload has.
        offset: u64,
    },
    /// What arrived is not what was announced.
    #[error("the content has digest {actual}, {declared} was announced")]
    DigestMismatch {
        /// The digest that the client announced.
        declared: Digest,
        /// The digest of what was received.
        actual: Digest,
    },
    /// No space left (ENOSPC) or over quota (EDQUOT).
    #[error("no space left on the storage device, at {path}")]
    Full {
        /// The file or directory that needed the space.
        path: PathBuf,
    },
    /// What is on disk is not what was written.
    #[error("{path} is corrupt: {what}")]
    Corrupt {
        /// The file that is not as it was written.
        path: PathBuf,
        /// How the content differs.
        what: String,
    },
    /// Anything else that the system said.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was tried, e.g. `rename`.
        operation: &'static str,
        /// The file or directory of the operation.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl Error {
    /// What `operation` on `path` failed with; for `map_err`.
    pub(crate) fn io<P: AsRef<Path>>(operation: &'static str, path: P) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let path = path.as_ref().to_owned();
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
                _ => Self::Io {
                    operation,
                    path,
                    source,
                },
            }
        }
    }
}
