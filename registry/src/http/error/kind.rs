//! Every error that a client is told, in one table: status, code, and the message where its cause has no better one.
//!
//! Codes are those of the OCI distribution specification, "Error Codes"; statuses are CNCF distribution's where the
//! specification leaves them open.

use actix_web::http::StatusCode;

use super::code::Code;

/// What went wrong, as far as the answer depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    NotFound,
    MethodNotAllowed,
    /// The configuration has switched the operation off.
    Disabled,
    BadRequest,
    UriTooLong,
    HeadTooLarge,
    RequestTimeout,
    /// The body ended early, or has a chunk that cannot be read.
    BodyUnreadable,
    /// A body that is read whole is over its limit.
    BodyTooLarge,
    NameInvalid,
    NameUnknown,
    DigestInvalid,
    TagInvalid,
    PaginationInvalid,
    BlobUnknown,
    RangeNotSatisfiable,
    UploadUnknown,
    /// Another request writes to the upload.
    UploadBusy,
    /// A chunk that does not begin where the upload ends.
    UploadOffset,
    /// A chunk that is not as long as it was said to be.
    ChunkLength,
    ManifestUnknown,
    ManifestInvalid,
    /// A manifest of a kind that is not served any more.
    ManifestUnsupported,
    /// The manifest refers to what its repository does not have.
    ReferencesUnknown,
    Unauthorized,
    Denied,
    TooManyRequests,
    /// Try again later.
    Unavailable,
    StorageFull,
    Internal,
}

impl ErrorKind {
    pub(crate) fn status(self) -> StatusCode {
        self.row().0
    }

    pub(crate) fn code(self) -> Code {
        self.row().1
    }

    pub(crate) fn message(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (StatusCode, Code, &'static str) {
        use Code as C;
        use StatusCode as S;
        match self {
            Self::NotFound => (S::NOT_FOUND, C::Unsupported, "there is nothing at this path"),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                C::Unsupported,
                "the endpoint does not have this method",
            ),
            Self::Disabled => (S::METHOD_NOT_ALLOWED, C::Unsupported, "the operation is switched off"),
            Self::BadRequest => (S::BAD_REQUEST, C::Unsupported, "the request cannot be understood"),
            Self::UriTooLong => (S::URI_TOO_LONG, C::Unsupported, "the request's URI is too long"),
            Self::HeadTooLarge => (
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                C::Unsupported,
                "the request's header is too large",
            ),
            Self::RequestTimeout => (
                S::REQUEST_TIMEOUT,
                C::Unavailable,
                "the request's body stopped arriving, or took too long",
            ),
            Self::BodyUnreadable => (S::BAD_REQUEST, C::BlobUploadInvalid, "the request's body ended early"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, C::SizeInvalid, "the request's body is too large"),
            Self::NameInvalid => (
                S::BAD_REQUEST,
                C::NameInvalid,
                "the name cannot be that of a repository",
            ),
            Self::NameUnknown => (S::NOT_FOUND, C::NameUnknown, "the repository is not known"),
            Self::DigestInvalid => (
                S::BAD_REQUEST,
                C::DigestInvalid,
                "the digest is not that of the content",
            ),
            Self::TagInvalid => (S::BAD_REQUEST, C::TagInvalid, "the name cannot be that of a tag"),
            Self::PaginationInvalid => (S::BAD_REQUEST, C::PaginationNumberInvalid, "`n` is not a number"),
            Self::BlobUnknown => (S::NOT_FOUND, C::BlobUnknown, "the blob is not known to the repository"),
            Self::RangeNotSatisfiable => (
                S::RANGE_NOT_SATISFIABLE,
                C::SizeInvalid,
                "the range is outside of the blob",
            ),
            Self::UploadUnknown => (
                S::NOT_FOUND,
                C::BlobUploadUnknown,
                "the upload is not known, begin a new one",
            ),
            Self::UploadBusy => (
                S::CONFLICT,
                C::BlobUploadInvalid,
                "the upload is being written by another request",
            ),
            Self::UploadOffset => (
                S::RANGE_NOT_SATISFIABLE,
                C::BlobUploadInvalid,
                "the chunk does not begin where the upload ends",
            ),
            Self::ChunkLength => (
                S::BAD_REQUEST,
                C::SizeInvalid,
                "the chunk does not have the announced length",
            ),
            Self::ManifestUnknown => (
                S::NOT_FOUND,
                C::ManifestUnknown,
                "the manifest is not known to the repository",
            ),
            Self::ManifestInvalid => (S::BAD_REQUEST, C::ManifestInvalid, "the manifest is not valid"),
            Self::ManifestUnsupported => (
                S::BAD_REQUEST,
                C::Unsupported,
                "manifests of this kind are not supported",
            ),
            Self::ReferencesUnknown => (
                S::BAD_REQUEST,
                C::ManifestBlobUnknown,
                "the manifest refers to what the repository does not have",
            ),
            Self::Unauthorized => (
                S::UNAUTHORIZED,
                C::Unauthorized,
                "log in first, for example with docker login",
            ),
            Self::Denied => (
                S::FORBIDDEN,
                C::Denied,
                "this account may not do that, ask whoever runs the registry",
            ),
            Self::TooManyRequests => (
                S::TOO_MANY_REQUESTS,
                C::TooManyRequests,
                "too many requests, try again later",
            ),
            Self::Unavailable => (
                S::SERVICE_UNAVAILABLE,
                C::Unavailable,
                "the storage does not work at the moment, try again later",
            ),
            Self::StorageFull => (
                S::INSUFFICIENT_STORAGE,
                C::Unavailable,
                "no space left on the registry's storage device, tell whoever runs it; an upload can be resumed",
            ),
            Self::Internal => (
                S::INTERNAL_SERVER_ERROR,
                C::Unknown,
                "the registry failed, its log says why; try again later",
            ),
        }
    }
}
