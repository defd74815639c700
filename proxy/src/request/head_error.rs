//! Why a head is refused, whoever reads it: the proxy itself or Pingora.

use pingora::{Error, ErrorType};

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// 400, with what is wrong.
    Malformed(&'static str),
    /// 405: this is no forward proxy.
    Connect,
    /// 408
    TooSlow,
    /// 413, of what is neither a blob nor a manifest.
    BodyTooLarge,
    /// 414
    UriTooLong,
    /// 431, too many bytes.
    TooLarge,
    /// 431, too many fields.
    TooManyFields,
}

impl HeadError {
    /// The status to answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Connect => 405,
            Self::TooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            Self::TooLarge | Self::TooManyFields => 431,
        }
    }

    /// What to tell the client.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Malformed(reason) => reason,
            Self::Connect => "CONNECT is not supported: this is a registry, not a forward proxy",
            Self::TooSlow => "the request's header did not arrive in time",
            Self::BodyTooLarge => "the request's body is too large, 64 KiB are the most here",
            Self::UriTooLong => "the request's URI is too long",
            Self::TooLarge => "the request's header is too large",
            Self::TooManyFields => "the request's header has too many fields, 88 are the most",
        }
    }

    /// As an error of Pingora, for requests whose head it has read.
    pub(crate) fn into_error(self) -> Box<Error> {
        Error::explain(ErrorType::HTTPStatus(self.status()), self.message()).into_down()
    }
}
