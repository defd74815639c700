//! Headers that the proxy writes or drops: a request's origin for the registry, and what crosses in neither direction.

use std::borrow::Cow;
use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderName, Version};
use lockgate_config::Network;
use lockgate_wire::headers::{PREFIX, USER};
use lockgate_wire::{ForwardedFields, Origin, Scheme, authority};
use percent_encoding::percent_decode_str;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use crate::request::connection_info::ConnectionInfo;
use crate::request::limits::MAX_HOST_SIZE;

/// The forwarded headers that the registry gets: who asks, and under which name the client knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forwarded(Origin);

impl Forwarded {
    /// Reads it from `request`; of what the request itself claims, who is among `trusted` is believed.
    pub(crate) fn new(request: &RequestHeader, peer: &ConnectionInfo, trusted: &[Network]) -> Self {
        let fields = ForwardedFields::new(
            request
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
        );
        let peer = lockgate_wire::Peer {
            address: Some(peer.remote.ip()),
            is_own_proxy: false,
            scheme: Some(if peer.tls { Scheme::Https } else { Scheme::Http }),
        };
        let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
        Self(Origin::new(&fields, named_host(request), peer, is_trusted))
    }

    /// The client; behind trusted proxies the last one that none of them is.
    pub(crate) fn client(&self) -> IpAddr {
        self.0.client
    }

    /// Writes it into the request to the registry, in place of whatever the client sent of that kind.
    pub(crate) fn write(&self, request: &mut RequestHeader, request_id: &str) -> Result<()> {
        let forged: Vec<HeaderName> = request
            .headers
            .keys()
            .filter(|name| is_ours(name.as_str()))
            .cloned()
            .collect();
        for name in &forged {
            request.remove_header(name);
        }
        if named_host(request).is_none() {
            // HTTP/1.0 need not name one; the request goes on as HTTP/1.1, which must (RFC 9112 section 3.2).
            request.insert_header("Host", "")?;
        }
        let client = self.0.client.to_string();
        request.insert_header("X-Forwarded-For", client.as_str())?;
        request.insert_header("X-Forwarded-Proto", self.0.scheme.to_string())?;
        // A name with a comma would be read as two; Host says it as well.
        if let Some(host) = self.0.host.as_ref().filter(|host| !host.as_str().contains(',')) {
            request.insert_header("X-Forwarded-Host", host.as_str())?;
        }
        request.insert_header("X-Forwarded-Port", self.0.public_port())?;
        request.insert_header("X-Real-IP", client.as_str())?;
        request.insert_header("X-Request-Id", request_id)
    }
}

/// Whether `request` names the host it is for, as RFC 9112 section 3.2 demands.
pub(crate) fn names_host(request: &RequestHeader) -> bool {
    match named_host(request) {
        Some(host) => host.len() <= MAX_HOST_SIZE && authority(host).is_some(),
        None => request.version < Version::HTTP_11 && !request.headers.contains_key(http::header::HOST),
    }
}

fn named_host(request: &RequestHeader) -> Option<&str> {
    match request.headers.get(http::header::HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri.authority().map(Authority::as_str),
    }
}

/// Takes the account from the registry's answer, and every header that is between it and us alone.
pub(crate) fn take_internal(answer: &mut ResponseHeader) -> Option<String> {
    let user = answer.headers.get(USER).and_then(|user| user.to_str().ok()).map(decode);
    let internal: Vec<HeaderName> = answer
        .headers
        .keys()
        .filter(|name| is_internal(name.as_str()))
        .cloned()
        .collect();
    for name in &internal {
        answer.remove_header(name);
    }
    user
}

fn is_internal(name: &str) -> bool {
    name.starts_with(PREFIX) || name.starts_with("x-accel-")
}

/// Headers that only a proxy may write: where a request comes from, hand-offs, and client certificates (RFC 9440 and
/// the names that nginx set-ups use).
fn is_ours(name: &str) -> bool {
    is_internal(name)
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-ssl-")
        || name.starts_with("ssl-client-")
        || name.starts_with("x-client-cert")
        || matches!(
            name,
            "forwarded" | "x-real-ip" | "x-request-id" | "client-cert" | "client-cert-chain"
        )
}

/// Undoes percent-encoding; what is no UTF-8 then is shown as it came.
fn decode(text: &str) -> String {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map_or_else(|_| text.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn peer(remote: &str) -> ConnectionInfo {
        ConnectionInfo {
            remote: remote.parse().unwrap(),
            tls: true,
            refused: false,
            answered_early: AtomicBool::new(false),
        }
    }

    fn request(headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/v2/", None).unwrap();
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    #[test]
    fn claims_of_a_stranger_are_replaced() {
        let mut request = request(&[
            ("Host", "registry.example.com:5043"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "evil"),
            ("X-Forwarded-Whatever", "evil"),
            ("Forwarded", "for=1.2.3.4"),
            ("X-Real-IP", "1.2.3.4"),
            ("X-Request-Id", "evil"),
            ("X-Lockgate-Blob", "0 1 x"),
            ("X-Accel-Redirect", "/x"),
            ("X-SSL-Client-Verify", "SUCCESS"),
            ("Client-Cert", "evil"),
            ("Accept", "kept"),
        ]);
        let forwarded = Forwarded::new(&request, &peer("[::ffff:10.1.2.3]:999"), &[]);
        forwarded.write(&mut request, "id").unwrap();
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("x-forwarded-for"), Some("10.1.2.3"));
        assert_eq!(header("x-real-ip"), Some("10.1.2.3"));
        assert_eq!(header("x-forwarded-proto"), Some("https"));
        assert_eq!(header("x-forwarded-host"), Some("registry.example.com:5043"));
        assert_eq!(header("x-forwarded-port"), Some("5043"));
        assert_eq!(header("x-request-id"), Some("id"));
        assert_eq!(header("accept"), Some("kept"));
        assert_eq!(request.headers.len(), 8, "{:?}", request.headers);
    }

    #[test]
    fn a_name_with_a_comma_is_said_by_host_alone() {
        for (host, expected) in [("a,b", None), ("a'b", Some("a'b")), ("a:81", Some("a:81"))] {
            let mut request = request(&[("Host", host)]);
            let forwarded = Forwarded::new(&request, &peer("10.1.2.3:999"), &[]);
            forwarded.write(&mut request, "id").unwrap();
            let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
            assert_eq!(header("x-forwarded-host"), expected);
            assert_eq!(
                (header("host"), header("x-forwarded-proto")),
                (Some(host), Some("https"))
            );
        }
    }

    #[test]
    fn a_request_without_a_host_gets_an_empty_one() {
        let mut request = request(&[]);
        let forwarded = Forwarded::new(&request, &peer("10.1.2.3:999"), &[]);
        forwarded.write(&mut request, "id").unwrap();
        assert_eq!(request.headers.get("host").unwrap(), "");
        assert!(!request.headers.contains_key("x-forwarded-host"));
    }

    #[test]
    fn internal_headers_end_here_and_the_account_is_decoded() {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("X-Lockgate-User", "j%C3%B6rg"),
            ("X-Lockgate-Blob", "x"),
            ("X-Accel-Buffering", "no"),
        ] {
            answer.append_header(name, value).unwrap();
        }
        answer
            .append_header("Docker-Distribution-Api-Version", "registry/2.0")
            .unwrap();
        assert_eq!(take_internal(&mut answer).as_deref(), Some("jörg"));
        assert_eq!(answer.headers.len(), 1);
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
    }
}
