//! What may be sent to the registry twice.

use std::io::ErrorKind;

use pingora::Error;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

/// In each of the registry's own answers.
const API_VERSION: &str = "docker-distribution-api-version";

/// Whether a request that got no byte of an answer may be sent again.
///
/// The registry may have acted on it before it went away. Reading twice, starting a second upload, getting a second token,
/// or storing the same manifest twice harms nobody; appending a chunk twice would destroy an upload, and a second DELETE would report
/// 404 for a success. `body` says what the request carries.
pub(crate) fn may_repeat(method: &http::Method, path: &str, body: RequestBody) -> bool {
    let is_upload = path.contains("/blobs/uploads/");
    match (method.as_str(), body) {
        (_, RequestBody::Truncated) => false,
        ("GET" | "HEAD" | "OPTIONS", _) => true,
        ("POST", RequestBody::None) => is_upload,
        ("PUT", RequestBody::None) => is_upload,
        ("POST", RequestBody::Buffered) => !is_upload,
        ("PUT", RequestBody::Buffered) => path.contains("/manifests/"),
        _ => false,
    }
}

/// Whether the registry refused the request before it saw one, and closes the connection although it does not say so:
/// what its HTTP layer (actix-http) answers by itself lacks the header that the registry's own answers have.
pub(crate) fn hangs_up(answer: &ResponseHeader) -> bool {
    matches!(answer.status.as_u16(), 400 | 408 | 431 | 500) && !answer.headers.contains_key(API_VERSION)
}

/// Whether the registry closed its socket before it had read what was sent: a Unix socket tells so (unix(7)), by EPIPE when
/// it was closed before, and by ECONNRESET when it was closed with data unread.
pub(crate) fn was_never_read(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| matches!(cause.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset))
}

/// What a request carries, as far as sending it again goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestBody {
    /// It has no body.
    None,
    /// All that was sent of it is still there: Pingora keeps 64 KiB.
    Buffered,
    /// It was larger than what is kept.
    Truncated,
}

impl RequestBody {
    /// That of `session`'s request.
    pub(crate) fn of(session: &mut Session) -> Self {
        if session.is_body_empty() {
            Self::None
        } else if session.retry_buffer_truncated() {
            Self::Truncated
        } else {
            Self::Buffered
        }
    }

    /// Whether a request with this may be sent again when something of it was never read. Of one that has a body the head
    /// may have been: a POST begins another upload then, or gets another token.
    pub(crate) fn is_harmless_with(self, method: &http::Method) -> bool {
        match self {
            Self::None => true,
            Self::Buffered => method == http::Method::POST,
            Self::Truncated => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use pingora::ErrorType;

    use super::*;

    #[test]
    fn a_request_was_never_read_when_the_socket_says_so() {
        for (kind, expected) in [
            (ErrorKind::BrokenPipe, true),
            (ErrorKind::ConnectionReset, true),
            (ErrorKind::TimedOut, false),
        ] {
            let error = Error::because(ErrorType::ReadError, "reading", std::io::Error::from(kind));
            assert_eq!(was_never_read(&error.into_up()), expected, "{kind}");
        }
        assert!(!was_never_read(&Error::new_up(ErrorType::ConnectionClosed)));
        let harmless = |body: RequestBody, method: http::Method| body.is_harmless_with(&method);
        assert!(
            harmless(RequestBody::None, http::Method::DELETE) && harmless(RequestBody::Buffered, http::Method::POST)
        );
        assert!(
            !harmless(RequestBody::Buffered, http::Method::DELETE)
                && !harmless(RequestBody::Truncated, http::Method::POST)
        );
    }

    #[test]
    fn only_what_is_harmless_twice_is_sent_twice() {
        let uploads = "/v2/team/app/blobs/uploads/";
        let upload = "/v2/team/app/blobs/uploads/1-2-3";
        let manifest = "/v2/team/app/manifests/latest";
        for (method, path, body, expected) in [
            ("GET", "/v2/", RequestBody::None, true),
            ("HEAD", manifest, RequestBody::None, true),
            ("POST", uploads, RequestBody::None, true),
            ("POST", uploads, RequestBody::Buffered, false),
            ("POST", "/auth/token", RequestBody::Buffered, true),
            ("POST", "/auth/token", RequestBody::Truncated, false),
            ("PATCH", upload, RequestBody::None, false),
            ("PATCH", upload, RequestBody::Buffered, false),
            ("PUT", upload, RequestBody::None, true),
            ("PUT", upload, RequestBody::Buffered, false),
            ("PUT", manifest, RequestBody::Buffered, true),
            ("PUT", manifest, RequestBody::Truncated, false),
            ("DELETE", manifest, RequestBody::None, false),
            ("DELETE", upload, RequestBody::None, false),
        ] {
            let method = http::Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(may_repeat(&method, path, body), expected, "{method} {path} {body:?}");
        }
    }
}
