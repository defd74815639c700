//! The one map from what went wrong to status and code: exhaustive, without a `_` arm.
//!
//! Codes are those of the OCI distribution specification, "Error Codes"; statuses are CNCF distribution's where the
//! specification leaves them open.

use actix_web::http::StatusCode;
use actix_web::http::header::ALLOW;
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::code::Code;
use crate::http::route::RouteError;
use crate::oci::{Digest, InvalidManifest};
use crate::{service, storage};

impl From<RouteError> for ApiError {
    fn from(error: RouteError) -> Self {
        let (status, code) = match &error {
            RouteError::NotFound => (StatusCode::NOT_FOUND, Code::Unsupported),
            RouteError::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported),
            RouteError::NameInvalid(_) => (StatusCode::BAD_REQUEST, Code::NameInvalid),
            RouteError::DigestInvalid(_) | RouteError::DigestMissing => (StatusCode::BAD_REQUEST, Code::DigestInvalid),
            RouteError::TagInvalid(_) | RouteError::TooManyTags { .. } => (StatusCode::BAD_REQUEST, Code::TagInvalid),
            RouteError::UploadUnknown => (StatusCode::NOT_FOUND, Code::BlobUploadUnknown),
            RouteError::PaginationInvalid(_) => (StatusCode::BAD_REQUEST, Code::PaginationNumberInvalid),
        };
        let answer = Self::new(status, code, error.to_string());
        match error {
            RouteError::MethodNotAllowed { allow } => answer.with_header(ALLOW, &allow.join(", ")),
            RouteError::NotFound
            | RouteError::NameInvalid(_)
            | RouteError::DigestInvalid(_)
            | RouteError::DigestMissing
            | RouteError::TagInvalid(_)
            | RouteError::TooManyTags { .. }
            | RouteError::UploadUnknown
            | RouteError::PaginationInvalid(_) => answer,
        }
    }
}

impl From<service::Error> for ApiError {
    fn from(error: service::Error) -> Self {
        use service::Error as E;
        let (status, code) = match &error {
            E::Storage(error) => return Self::from_storage(error),
            E::ReadOnly | E::DeleteDisabled => (StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported),
            E::ContentRange(_) => (StatusCode::RANGE_NOT_SATISFIABLE, Code::BlobUploadInvalid),
            E::ChunkLength { .. } => (StatusCode::BAD_REQUEST, Code::SizeInvalid),
            E::Manifest(InvalidManifest::Schema1) => (StatusCode::BAD_REQUEST, Code::Unsupported),
            E::Manifest(_) | E::ContentType(_) | E::MediaTypeMismatch { .. } | E::LayerUrl { .. } => {
                (StatusCode::BAD_REQUEST, Code::ManifestInvalid)
            }
            E::ManifestTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid),
            E::ReferencesUnknown { .. } => (StatusCode::BAD_REQUEST, Code::ManifestBlobUnknown),
            E::StoredManifest { .. } => (StatusCode::INTERNAL_SERVER_ERROR, Code::Unknown),
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            return Self::inside(&error);
        }
        let answer = Self::new(status, code, error.to_string());
        match error {
            E::ReferencesUnknown { missing, others } => answer.for_each(unknown(&missing, others)),
            E::Storage(_)
            | E::ReadOnly
            | E::DeleteDisabled
            | E::ContentRange(_)
            | E::ChunkLength { .. }
            | E::Manifest(_)
            | E::ContentType(_)
            | E::MediaTypeMismatch { .. }
            | E::ManifestTooLarge { .. }
            | E::LayerUrl { .. }
            | E::StoredManifest { .. } => answer,
        }
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

impl ApiError {
    fn from_storage(error: &storage::Error) -> Self {
        use storage::Error as E;
        let (status, code) = match error {
            E::RepositoryUnknown(_) => (StatusCode::NOT_FOUND, Code::NameUnknown),
            E::BlobUnknown(_) => (StatusCode::NOT_FOUND, Code::BlobUnknown),
            E::ManifestUnknown(_) | E::TagUnknown(_) => (StatusCode::NOT_FOUND, Code::ManifestUnknown),
            E::UploadUnknown(_) => (StatusCode::NOT_FOUND, Code::BlobUploadUnknown),
            E::UploadBusy(_) => (StatusCode::CONFLICT, Code::BlobUploadInvalid),
            E::UploadOffset { offset } => return Self::upload_offset(*offset),
            E::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, Code::DigestInvalid),
            E::Full { path } => {
                let message =
                    "no space left on the registry's storage device, tell whoever runs it; an upload can be resumed";
                return Self::new(StatusCode::INSUFFICIENT_STORAGE, Code::Unavailable, message)
                    .because(format!("no space left at {}", path.display()));
            }
            E::Corrupt { .. } | E::Io { .. } => return Self::inside(error),
        };
        Self::new(status, code, error.to_string())
    }

    /// 500: the client can do nothing about it, the log says what it was.
    fn inside(error: &dyn std::error::Error) -> Self {
        let message = "the registry failed, its log says why; try again later";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Unknown, message).because(error)
    }
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
