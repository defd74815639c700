//! A request that cannot be read is replaced by one that says why. So its answer waits for its turn, and has the body, the
//! headers and the log line of every other answer.

use actix_web::HttpRequest;
use lockgate_wire::headers::REFUSED;

/// No client gets it past [`super::head`].
pub(crate) const METHOD: &str = "-";

/// Why a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: &'static str,
}

impl Refusal {
    pub(super) const TOO_SLOW: Self = Self::new(408, "the request's header did not arrive in time");

    pub(super) const fn new(status: u16, message: &'static str) -> Self {
        Self { status, message }
    }

    pub(super) const fn malformed(message: &'static str) -> Self {
        Self::new(400, message)
    }

    /// The request that stands for it, the connection's last.
    pub(super) fn to_request(self) -> Vec<u8> {
        let Self { status, message } = self;
        format!("{METHOD} * HTTP/1.1\r\nhost: -\r\nconnection: close\r\n{REFUSED}: {status} {message}\r\n\r\n")
            .into_bytes()
    }
}

/// The status and the reason that `request` stands for; `None` for one that a client sent.
pub(crate) fn refused(request: &HttpRequest) -> Option<(u16, &str)> {
    if request.method().as_str() != METHOD {
        return None;
    }
    let value = request.headers().get(REFUSED)?.to_str().ok()?;
    let (status, message) = value.split_once(' ')?;
    Some((status.parse().ok()?, message))
}
