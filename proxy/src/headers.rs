//! What the registry is told about a request's origin, and which headers cross the front door in neither direction.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;
use http::{HeaderMap, HeaderName, Version};
use lockgate_config::Network;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use crate::connection::Peer;
use crate::limits::HOST_SIZE;

/// The file that the registry wants streamed.
pub(crate) const BLOB: &str = "x-lockgate-blob";
/// Bytes that an upload has: `Range` says the same of one byte as of none.
pub(crate) const OFFSET: &str = "x-lockgate-offset";
/// The account, for the access log.
pub(crate) const USER: &str = "x-lockgate-user";

/// Who asks, and under which name the client knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// The client; behind trusted proxies the last one that none of them is.
    pub(crate) client: IpAddr,
    proto: &'static str,
    host: Option<String>,
    port: u16,
}

impl Forwarded {
    /// Reads it from `request`; what the request itself claims counts only when it comes from one of `trusted`.
    pub(crate) fn new(request: &RequestHeader, peer: &Peer, trusted: &[Network]) -> Self {
        let direct = peer.remote.ip().to_canonical();
        let proto = if peer.tls { "https" } else { "http" };
        let host = named_host(request).and_then(authority);
        if !is_trusted(direct, trusted) {
            return Self::of(direct, proto, host, None);
        }
        let client = origin(&request.headers, direct, trusted);
        let proto = match claimed(&request.headers, "x-forwarded-proto") {
            Some("http") => "http",
            Some("https") => "https",
            _ => proto,
        };
        let host = claimed(&request.headers, "x-forwarded-host")
            .and_then(authority)
            .or(host);
        let port = claimed(&request.headers, "x-forwarded-port").and_then(|port| port.parse().ok());
        Self::of(client, proto, host, port)
    }

    fn of(client: IpAddr, proto: &'static str, host: Option<Authority>, port: Option<u16>) -> Self {
        let default = if proto == "https" { 443 } else { 80 };
        // The port in Host is the one the client used, whatever lies between it and us.
        let port = port.or_else(|| host.as_ref()?.port_u16()).unwrap_or(default);
        Self {
            client,
            proto,
            host: host.map(|host| host.to_string()),
            port,
        }
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
        let client = self.client.to_string();
        request.insert_header("X-Forwarded-For", client.as_str())?;
        request.insert_header("X-Forwarded-Proto", self.proto)?;
        if let Some(host) = &self.host {
            request.insert_header("X-Forwarded-Host", host.as_str())?;
        }
        request.insert_header("X-Forwarded-Port", self.port)?;
        request.insert_header("X-Real-IP", client.as_str())?;
        request.insert_header("X-Request-Id", request_id)
    }
}

/// Whether `request` names the host it is for, as RFC 9112 section 3.2 demands.
pub(crate) fn names_host(request: &RequestHeader) -> bool {
    match named_host(request) {
        Some(host) => host.len() <= HOST_SIZE && authority(host).is_some(),
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
    name.starts_with("x-lockgate-") || name.starts_with("x-accel-")
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

fn claimed<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim)
}

/// Parses a host with an optional port; nothing else passes for one.
pub(crate) fn authority(host: &str) -> Option<Authority> {
    host.parse()
        .ok()
        .filter(|host: &Authority| !host.as_str().contains('@') && !host.host().is_empty())
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| contains(network, address))
}

fn contains(network: &Network, address: IpAddr) -> bool {
    match (network.address.to_canonical(), address) {
        (IpAddr::V4(network_address), IpAddr::V4(address)) => {
            let kept = u32::MAX
                .checked_shl(32 - u32::from(network.prefix.min(32)))
                .unwrap_or(0);
            u32::from(network_address) & kept == u32::from(address) & kept
        }
        (IpAddr::V6(network_address), IpAddr::V6(address)) => {
            let kept = u128::MAX
                .checked_shl(128 - u32::from(network.prefix.min(128)))
                .unwrap_or(0);
            u128::from(network_address) & kept == u128::from(address) & kept
        }
        _ => false,
    }
}

/// Goes back through X-Forwarded-For, from our own peer to the first address that is not a trusted proxy.
fn origin(headers: &HeaderMap, direct: IpAddr, trusted: &[Network]) -> IpAddr {
    let mut client = direct;
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(address) = address(hop.trim()) else { break };
        client = address;
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let parsed = bare
        .parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

/// Undoes percent-encoding; what is no UTF-8 then is shown as it came.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex
            .filter(|_| first == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn peer(remote: &str) -> Peer {
        Peer {
            remote: remote.parse().unwrap(),
            tls: true,
            refused: false,
            answered_early: AtomicBool::new(false),
        }
    }

    fn network(address: &str, prefix: u8) -> Network {
        Network {
            address: address.parse().unwrap(),
            prefix,
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
    fn a_trusted_proxy_is_believed_up_to_the_first_stranger() {
        let trusted = [network("10.0.0.0", 8), network("fd00::", 8)];
        let request = request(&[
            ("Host", "inner"),
            ("X-Forwarded-For", "6.6.6.6, 1.2.3.4"),
            ("X-Forwarded-For", "10.9.9.9"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "outer:8080"),
        ]);
        let forwarded = Forwarded::new(&request, &peer("10.1.1.1:1"), &trusted);
        assert_eq!(
            forwarded,
            Forwarded::of("1.2.3.4".parse().unwrap(), "http", authority("outer:8080"), None)
        );
        assert_eq!(forwarded.port, 8080);
        let stranger = Forwarded::new(&request, &peer("11.1.1.1:1"), &trusted);
        assert_eq!(
            stranger,
            Forwarded::of("11.1.1.1".parse().unwrap(), "https", authority("inner"), None)
        );
    }

    #[test]
    fn networks_contain_what_their_prefix_says() {
        assert!(contains(&network("0.0.0.0", 0), "9.9.9.9".parse().unwrap()));
        assert!(contains(&network("10.1.0.0", 16), "10.1.255.255".parse().unwrap()));
        assert!(!contains(&network("10.1.0.0", 16), "10.2.0.0".parse().unwrap()));
        assert!(contains(&network("10.1.2.3", 32), "10.1.2.3".parse().unwrap()));
        assert!(!contains(&network("10.1.2.3", 32), "10.1.2.2".parse().unwrap()));
        assert!(contains(&network("fd00::", 8), "fdff::1".parse().unwrap()));
        assert!(!contains(&network("::", 0), "9.9.9.9".parse().unwrap()));
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
