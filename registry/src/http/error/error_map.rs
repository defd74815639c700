//! From each layer's errors to their kinds: exhaustive, without a `_` arm.

use actix_web::http::header::{ALLOW, RETRY_AFTER};
use lockgate_admission::Overloaded;
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::kind::ErrorKind;
use crate::http::routing::route::RouteError;
use crate::oci::{Digest, InvalidManifest};
use crate::{service, storage};

impl From<RouteError> for ApiError {
    fn from(error: RouteError) -> Self {
        use RouteError as E;
        let kind = match &error {
            E::NotFound => ErrorKind::NotFound,
            E::MethodNotAllowed { allow } => {
                return Self::new(ErrorKind::MethodNotAllowed, error.to_string()).with_header(ALLOW, &allow.join(", "));
            }
            E::NameInvalid(_) => ErrorKind::NameInvalid,
            E::DigestInvalid(_) | E::DigestMissing => ErrorKind::DigestInvalid,
            E::TagInvalid(_) | E::TooManyTags { .. } => ErrorKind::TagInvalid,
            E::UploadUnknown => ErrorKind::UploadUnknown,
            E::PaginationInvalid(_) => ErrorKind::PaginationInvalid,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<service::Error> for ApiError {
    fn from(error: service::Error) -> Self {
        use service::Error as E;
        let kind = match &error {
            E::Storage(error) => return Self::from(error),
            E::ReadOnly | E::DeleteDisabled => ErrorKind::Disabled,
            E::ContentRange(_) => ErrorKind::UploadOffset,
            E::ChunkLength { .. } => ErrorKind::ChunkLength,
            E::Manifest(InvalidManifest::Schema1) => ErrorKind::ManifestUnsupported,
            E::Manifest(_) | E::ContentType(_) | E::MediaTypeMismatch { .. } | E::LayerUrl { .. } => {
                ErrorKind::ManifestInvalid
            }
            E::ManifestTooLarge { .. } => ErrorKind::BodyTooLarge,
            E::ReferencesUnknown { missing, others } => {
                return Self::new(ErrorKind::ReferencesUnknown, error.to_string()).for_each(unknown(missing, *others));
            }
            E::StoredManifest { .. } => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<&storage::Error> for ApiError {
    fn from(error: &storage::Error) -> Self {
        use storage::Error as E;
        let kind = match error {
            E::RepositoryUnknown(_) => ErrorKind::NameUnknown,
            E::BlobUnknown(_) => ErrorKind::BlobUnknown,
            E::ManifestUnknown(_) | E::TagUnknown(_) => ErrorKind::ManifestUnknown,
            E::UploadUnknown(_) => ErrorKind::UploadUnknown,
            E::UploadBusy(_) => ErrorKind::UploadBusy,
            E::UploadOffset { offset } => return Self::upload_offset(*offset),
            E::DigestMismatch { .. } => ErrorKind::DigestInvalid,
            E::Full { path } => {
                return Self::of(ErrorKind::StorageFull).because(format!("no space left at {}", path.display()));
            }
            E::Corrupt { .. } | E::Io { .. } => return Self::internal(error),
        };
        Self::new(kind, error.to_string())
    }
}

/// As many requests as may be are being served, and this one has waited for its turn.
impl From<Overloaded> for ApiError {
    fn from(overloaded: Overloaded) -> Self {
        Self::new(ErrorKind::Unavailable, overloaded.to_string()).with_header(RETRY_AFTER, "5")
    }
}

impl ApiError {
    /// 500: the client can do nothing about it, the log says what it was.
    fn internal(error: &dyn std::error::Error) -> Self {
        Self::of(ErrorKind::Internal).because(error)
    }
}

/// An entry for each digest in `missing`; the last one says how many `others` there are.
fn unknown(missing: &[Digest], others: usize) -> impl Iterator<Item = (String, Value)> {
    let last = missing.len().saturating_sub(1);
    missing.iter().enumerate().map(move |(number, digest)| {
        let message = format!("{digest} is not in the repository, push it first");
        if number < last || others == 0 {
            (message, json!({ "digest": digest.to_string() }))
        } else {
            (
                format!("{message}; {others} others are not there either"),
                json!({ "digest": digest.to_string(), "others": others }),
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::oci::{Algorithm, InvalidContentRange, InvalidDigest, InvalidRepositoryName, InvalidTag, MediaType};
    use crate::storage::UploadId;

    fn digest() -> Digest {
        Digest::of(Algorithm::Sha256, b"")
    }

    #[track_caller]
    fn check(error: impl Into<ApiError>, status: u16, code: &str) {
        let error = error.into();
        assert_eq!(
            (error.status().as_u16(), error.code().as_str()),
            (status, code),
            "{error:?}"
        );
    }

    #[test]
    fn every_refusal_of_the_router_has_its_row() {
        check(RouteError::NotFound, 404, "UNSUPPORTED");
        check(RouteError::MethodNotAllowed { allow: &["GET"] }, 405, "UNSUPPORTED");
        check(
            RouteError::NameInvalid(InvalidRepositoryName::Characters),
            400,
            "NAME_INVALID",
        );
        check(
            RouteError::DigestInvalid(InvalidDigest::NoColon("x".into())),
            400,
            "DIGEST_INVALID",
        );
        check(RouteError::DigestMissing, 400, "DIGEST_INVALID");
        check(RouteError::TagInvalid(InvalidTag), 400, "TAG_INVALID");
        check(RouteError::TooManyTags { max: 1 }, 400, "TAG_INVALID");
        check(RouteError::UploadUnknown, 404, "BLOB_UPLOAD_UNKNOWN");
        check(
            RouteError::PaginationInvalid("x".into()),
            400,
            "PAGINATION_NUMBER_INVALID",
        );
    }

    #[test]
    fn every_refusal_of_the_rules_has_its_row() {
        use service::Error as E;
        check(E::ReadOnly, 405, "UNSUPPORTED");
        check(E::DeleteDisabled, 405, "UNSUPPORTED");
        let range = InvalidContentRange::Reversed { first: 2, last: 1 };
        check(E::ContentRange(range), 416, "BLOB_UPLOAD_INVALID");
        check(
            E::ChunkLength {
                announced: 2,
                received: 1,
            },
            400,
            "SIZE_INVALID",
        );
        check(E::Manifest(InvalidManifest::Schema1), 400, "UNSUPPORTED");
        check(
            E::Manifest(InvalidManifest::SchemaVersion(None)),
            400,
            "MANIFEST_INVALID",
        );
        let kind = "x".parse::<MediaType>().unwrap_err();
        check(E::ContentType(kind), 400, "MANIFEST_INVALID");
        let (declared, actual) = (MediaType::OCI_IMAGE, MediaType::OCI_INDEX);
        check(E::MediaTypeMismatch { declared, actual }, 400, "MANIFEST_INVALID");
        check(E::ManifestTooLarge { limit: 1 }, 413, "SIZE_INVALID");
        check(
            E::ReferencesUnknown {
                missing: vec![digest()],
                others: 0,
            },
            400,
            "MANIFEST_BLOB_UNKNOWN",
        );
        check(
            E::LayerUrl {
                digest: digest(),
                url: String::new(),
            },
            400,
            "MANIFEST_INVALID",
        );
        let source = InvalidManifest::SchemaVersion(None);
        check(
            E::StoredManifest {
                digest: digest(),
                source,
            },
            500,
            "UNKNOWN",
        );
    }

    #[test]
    fn every_failure_of_storage_has_its_row() {
        use storage::Error as E;
        let stored = |error: E| service::Error::from(error);
        let id = UploadId::random;
        let path = || "p".into();
        check(stored(E::RepositoryUnknown("a".parse().unwrap())), 404, "NAME_UNKNOWN");
        check(stored(E::BlobUnknown(digest())), 404, "BLOB_UNKNOWN");
        check(stored(E::ManifestUnknown(digest())), 404, "MANIFEST_UNKNOWN");
        check(stored(E::TagUnknown("t".parse().unwrap())), 404, "MANIFEST_UNKNOWN");
        check(stored(E::UploadUnknown(id())), 404, "BLOB_UPLOAD_UNKNOWN");
        check(stored(E::UploadBusy(id())), 409, "BLOB_UPLOAD_INVALID");
        check(stored(E::UploadOffset { offset: 1 }), 416, "BLOB_UPLOAD_INVALID");
        let (declared, actual) = (digest(), digest());
        check(stored(E::DigestMismatch { declared, actual }), 400, "DIGEST_INVALID");
        check(stored(E::Full { path: path() }), 507, "UNAVAILABLE");
        check(
            stored(E::Corrupt {
                path: path(),
                what: String::new(),
            }),
            500,
            "UNKNOWN",
        );
        let source = io::Error::other("x");
        check(
            stored(E::Io {
                operation: "open",
                path: path(),
                source,
            }),
            500,
            "UNKNOWN",
        );
    }

    #[test]
    fn what_happens_inside_is_not_told() {
        let source = io::Error::other("disk on fire");
        let error = storage::Error::Io {
            operation: "open",
            path: "/secret/path".into(),
            source,
        };
        let error = ApiError::from(service::Error::from(error));
        assert!(!error.message().contains("secret"), "{}", error.message());
    }
}
