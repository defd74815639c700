//! Why a head is refused, whoever reads it: the proxy itself or Pingora.

/// A head that is not passed on; [`ProxyError`](crate::request::error::ProxyError) says how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// It breaks this rule.
    Malformed(&'static str),
    /// `CONNECT`: this is no forward proxy.
    Connect,
    /// It did not arrive in time.
    TooSlow,
    /// Its target has too many bytes.
    UriTooLong,
    /// It has too many bytes.
    TooLarge,
    /// It has too many fields.
    TooManyFields,
}
