//! The head of a request that Pingora never sees: one at the plain listener, or plain HTTP on the port for HTTPS.

use http::Uri;
use http::uri::Authority;
use lockgate_wire::authority;

use crate::request::limits::MAX_FIELDS;

/// What such a request asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawHead<'a> {
    pub(crate) method: &'a str,
    target: &'a str,
    host: Option<&'a [u8]>,
}

impl<'a> RawHead<'a> {
    /// Reads `head`, which is whole; `None` when it is no HTTP/1 request.
    pub(crate) fn parse(head: &'a [u8]) -> Option<Self> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        request.parse(head).ok()?;
        let host = request
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("host"));
        Some(Self {
            method: request.method?,
            target: request.path?,
            host: host.map(|field| field.value),
        })
    }

    /// The request target as it was written.
    pub(crate) fn written_target(&self) -> &'a str {
        self.target
    }

    /// The request target without its query, as it was written.
    pub(crate) fn written_path(&self) -> &'a str {
        self.target.split('?').next().unwrap_or(self.target)
    }

    /// The request target; `None` when it is no URI.
    pub(crate) fn target(&self) -> Option<Uri> {
        self.target.parse().ok()
    }

    /// The host that it names; `None` also for one that is malformed.
    pub(crate) fn host(&self) -> Option<Authority> {
        authority(std::str::from_utf8(self.host?).ok()?)
    }
}
