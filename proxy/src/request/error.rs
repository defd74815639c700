//! The error table of the proxy: every answer that it gives by itself, and which error of which layer gets it.
//!
//! The codes are the distribution specification's ("Error Codes"): docker shows the message, and a client that knows the
//! codes acts on them.

use std::borrow::Cow;

use lockgate_admission::Overloaded;
use lockgate_wire::InvalidHandoff;
use pingora::{Error, ErrorSource, ErrorType};

use crate::blob::file_body::OpenError;
use crate::request::head_error::HeadError;

/// Why the proxy answers instead of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// The head or the body breaks a rule of HTTP.
    Malformed,
    /// The plain listener cannot redirect to a host that the request does not name.
    HostUnnamed,
    /// Plain HTTP on the port for HTTPS. nginx and Go's net/http answer 400, too.
    PlainHttp,
    /// The blob that the registry handed off is not there.
    BlobUnknown,
    /// No ACME challenge with this token is open.
    ChallengeUnknown,
    /// The method `CONNECT`.
    ConnectMethod,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body stopped arriving.
    BodyTimeout,
    /// A body that is neither a blob's nor a manifest's.
    BodyTooLarge,
    /// The request target has too many bytes.
    UriTooLong,
    /// The head has too many bytes.
    HeadTooLarge,
    /// The head has too many fields.
    TooManyFields,
    /// The proxy itself failed.
    Internal,
    /// The file of the authority's certificate cannot be read.
    CertificateUnreadable,
    /// The blob that the registry handed off is there, and cannot be read.
    BlobUnreadable,
    /// The registry's answer is no HTTP.
    BadAnswer,
    /// Nothing connects, or the connection was cut: clients retry a 503.
    RegistryAway,
    /// The connection is one beyond `http.limits.maxconnections`.
    TooManyConnections,
    /// The request is one beyond `http.limits.maxrequests` or `maxnetworkrequests`.
    TooManyRequests,
    /// The registry sent nothing for too long.
    RegistryTimeout,
    /// Pingora or the registry's HTTP layer chose this status.
    Other(u16),
}

impl ErrorCode {
    /// Status, code of the specification, and what a client is told unless there is more to say.
    fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "UNSUPPORTED", "the request is malformed"),
            Self::HostUnnamed => (400, "UNSUPPORTED", "the request names no host to redirect to"),
            Self::PlainHttp => (
                400,
                "UNSUPPORTED",
                "the client sent an HTTP request to an HTTPS port, use an https:// URL",
            ),
            Self::BlobUnknown => (404, "BLOB_UNKNOWN", "blob unknown to registry"),
            Self::ChallengeUnknown => (404, "UNSUPPORTED", "no such challenge"),
            Self::ConnectMethod => (
                405,
                "UNSUPPORTED",
                "CONNECT is not supported: this is a registry, not a forward proxy",
            ),
            Self::HeadTimeout => (408, "UNAVAILABLE", "the request's header did not arrive in time"),
            Self::BodyTimeout => (408, "UNAVAILABLE", "the request's body stopped arriving"),
            Self::BodyTooLarge => (
                413,
                "UNSUPPORTED",
                "the request's body is too large, 64 KiB are the most here",
            ),
            Self::UriTooLong => (414, "UNSUPPORTED", "the request's URI is too long"),
            Self::HeadTooLarge => (431, "UNSUPPORTED", "the request's header is too large"),
            Self::TooManyFields => (
                431,
                "UNSUPPORTED",
                "the request's header has too many fields, 88 are the most",
            ),
            Self::Internal => (500, "UNKNOWN", "the proxy failed; its log says why"),
            Self::CertificateUnreadable => (500, "UNKNOWN", "the certificate cannot be read"),
            Self::BlobUnreadable => (500, "UNKNOWN", "the blob cannot be read"),
            Self::BadAnswer => (502, "UNKNOWN", "the registry's answer could not be read"),
            Self::RegistryAway => (503, "UNAVAILABLE", "the registry is restarting, try again"),
            Self::TooManyConnections => (503, "UNAVAILABLE", "too many connections, try again"),
            Self::TooManyRequests => (503, "UNAVAILABLE", "too many requests are being served, try again"),
            Self::RegistryTimeout => (504, "UNAVAILABLE", "the registry did not answer in time"),
            Self::Other(status) => (status, code_of(status), "the request cannot be served"),
        }
    }

    /// 4xx or 5xx.
    pub(crate) fn status(self) -> u16 {
        self.row().0
    }
}

/// The code that fits a status best.
fn code_of(status: u16) -> &'static str {
    match status {
        408 | 503 | 504 => "UNAVAILABLE",
        429 => "TOOMANYREQUESTS",
        400..500 => "UNSUPPORTED",
        _ => "UNKNOWN",
    }
}

/// One answer of the proxy's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProxyError {
    code: ErrorCode,
    message: Cow<'static, str>,
}

impl ProxyError {
    /// With another message than the table's.
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// What a client is told when `error` ended its request on the way. `None`: nobody is left to answer.
    pub(crate) fn of_failure(error: &Error, request_is_complete: bool) -> Option<Self> {
        let code = match (error.esource(), error.etype()) {
            (_, ErrorType::HTTPStatus(status)) => {
                let code = ErrorCode::Other(*status);
                let reason = error.context.as_ref().map(|reason| reason.as_str().to_owned());
                return Some(reason.map_or_else(|| code.into(), |reason| Self::new(code, reason)));
            }
            (ErrorSource::Upstream, kind) => upstream_code(kind, request_is_complete),
            (ErrorSource::Downstream, ErrorType::ReadTimedout) => ErrorCode::BodyTimeout,
            (
                ErrorSource::Downstream,
                ErrorType::ReadError
                | ErrorType::WriteError
                | ErrorType::WriteTimedout
                | ErrorType::ConnectionClosed
                | ErrorType::H2Error,
            ) => return None,
            (ErrorSource::Downstream, _) => ErrorCode::Malformed,
            (ErrorSource::Internal | ErrorSource::Unset, _) => ErrorCode::Internal,
        };
        Some(code.into())
    }

    pub(crate) fn status(&self) -> u16 {
        self.code.status()
    }

    /// One of the specification's codes.
    pub(crate) fn spec_code(&self) -> &'static str {
        self.code.row().1
    }

    /// What a person can act on.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

fn upstream_code(kind: &ErrorType, request_is_complete: bool) -> ErrorCode {
    match kind {
        // Both sides were silent; it is the client's turn while its body is incomplete.
        ErrorType::ReadTimedout if !request_is_complete => ErrorCode::BodyTimeout,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => ErrorCode::RegistryTimeout,
        ErrorType::InvalidHTTPHeader => ErrorCode::BadAnswer,
        _ => ErrorCode::RegistryAway,
    }
}

impl From<ErrorCode> for ProxyError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.row().2)
    }
}

impl From<HeadError> for ProxyError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(reason) => Self::new(ErrorCode::Malformed, reason),
            HeadError::Connect => ErrorCode::ConnectMethod.into(),
            HeadError::TooSlow => ErrorCode::HeadTimeout.into(),
            HeadError::UriTooLong => ErrorCode::UriTooLong.into(),
            HeadError::TooLarge => ErrorCode::HeadTooLarge.into(),
            HeadError::TooManyFields => ErrorCode::TooManyFields.into(),
        }
    }
}

impl From<Overloaded> for ProxyError {
    fn from(error: Overloaded) -> Self {
        Self::new(ErrorCode::TooManyRequests, error.to_string())
    }
}

impl From<&OpenError> for ProxyError {
    fn from(error: &OpenError) -> Self {
        match error {
            OpenError::Missing(_) => ErrorCode::BlobUnknown.into(),
            OpenError::TooShort { .. } | OpenError::Io { .. } => ErrorCode::BlobUnreadable.into(),
        }
    }
}

impl From<&InvalidHandoff> for ProxyError {
    fn from(_: &InvalidHandoff) -> Self {
        ErrorCode::BlobUnreadable.into()
    }
}

impl From<ProxyError> for Box<Error> {
    /// As an error of Pingora, for requests whose head it has read.
    fn from(error: ProxyError) -> Self {
        Error::explain(ErrorType::HTTPStatus(error.status()), error.message.into_owned()).into_down()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::limits::MAX_FIELDS;

    #[test]
    fn each_failure_has_its_status() {
        let status = |error: Box<Error>, complete| {
            let failure = ProxyError::of_failure(&error, complete);
            failure.map(|failure| failure.status())
        };
        assert_eq!(status(Error::new_up(ErrorType::ConnectTimedout), true), Some(503));
        assert_eq!(status(Error::new_up(ErrorType::ConnectionClosed), false), Some(503));
        assert_eq!(status(Error::new_up(ErrorType::ReadError), true), Some(503));
        assert_eq!(status(Error::new_up(ErrorType::ReadTimedout), true), Some(504));
        assert_eq!(status(Error::new_up(ErrorType::ReadTimedout), false), Some(408));
        assert_eq!(status(Error::new_up(ErrorType::InvalidHTTPHeader), true), Some(502));
        assert_eq!(status(Error::new_down(ErrorType::ReadTimedout), false), Some(408));
        assert_eq!(status(Error::new_down(ErrorType::ConnectionClosed), false), None);
        assert_eq!(status(Error::new_down(ErrorType::InvalidHTTPHeader), false), Some(400));
        assert_eq!(status(Error::new_in(ErrorType::FileReadError), true), Some(500));
        assert_eq!(status(Error::new_down(ErrorType::HTTPStatus(414)), true), Some(414));
        let explained = Error::explain(ErrorType::HTTPStatus(431), "too many fields");
        let failure = ProxyError::of_failure(&explained, true).unwrap();
        assert_eq!((failure.status(), failure.message()), (431, "too many fields"));
    }

    #[test]
    fn a_refused_head_is_answered_the_same_whoever_has_read_it() {
        for error in [
            HeadError::Malformed("the request's Host is missing, malformed or too long"),
            HeadError::Connect,
            HeadError::TooSlow,
            HeadError::UriTooLong,
            HeadError::TooLarge,
            HeadError::TooManyFields,
        ] {
            let read_here = ProxyError::from(error);
            let read_by_pingora = ProxyError::of_failure(&Box::from(read_here.clone()), false).unwrap();
            assert_eq!(
                (read_here.status(), read_here.spec_code(), read_here.message()),
                (
                    read_by_pingora.status(),
                    read_by_pingora.spec_code(),
                    read_by_pingora.message()
                )
            );
        }
    }

    #[test]
    fn the_limit_of_fields_is_told() {
        let error = ProxyError::from(ErrorCode::TooManyFields);
        assert!(
            error.message().contains(&format!(" {MAX_FIELDS} ")),
            "{}",
            error.message()
        );
    }
}
