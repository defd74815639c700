//! Who is really asking, and under which URL: forwarded headers, and when they are believed.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::header::{HOST, HeaderMap};
use lockgate_config::{Network, PublicUrl};

use crate::Front;

/// What decides whether forwarded headers are believed. They never are because a peer is a Unix socket: an
/// address-less peer counts as `127.0.0.1`, which `http.trustedproxies` may list.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    pub(crate) front: Front,
    pub(crate) proxies: Vec<Network>,
    pub(crate) host: Option<PublicUrl>,
    pub(crate) relative_urls: bool,
}

/// What is known of the client and of the public URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client's own address, behind all proxies that are trusted.
    pub(crate) client: IpAddr,
    /// Whether the direct peer's headers are believed.
    pub(crate) trusted: bool,
    /// `scheme://host[:port]`; `None` when nobody trusted says it: a path-absolute `Location` is right then.
    pub(crate) base: Option<String>,
    /// The base as far as it is known, for a token realm, which must be absolute.
    pub(crate) realm_base: String,
}

impl Trust {
    /// Reads the headers of one request from `peer` (`None` for a Unix socket).
    pub(crate) fn origin(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Origin {
        let peer = canonical(peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let trusted = self.front == Front::Lockgate || self.is_proxy(peer);
        let client = if trusted {
            self.client_behind(headers, peer)
        } else {
            peer
        };
        let known = match &self.host {
            Some(host) => Some(host.to_string()),
            None if trusted => forwarded_base(headers),
            None => None,
        };
        let realm_base = known
            .clone()
            .or_else(|| text(headers, HOST.as_str()).map(|host| format!("http://{host}")))
            .unwrap_or_default();
        Origin {
            client,
            trusted,
            base: if self.relative_urls { None } else { known },
            realm_base,
        }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }

    /// The rightmost address of X-Forwarded-For that is no trusted proxy; what stands left of it is hearsay.
    fn client_behind(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let chain: Vec<IpAddr> = headers
            .get_all("x-forwarded-for")
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|entry| entry.trim().parse().ok().map(canonical))
            .collect();
        match chain.iter().rev().find(|address| !self.is_proxy(**address)) {
            Some(address) => *address,
            None => chain.first().copied().unwrap_or(peer),
        }
    }
}

/// The public URL as a trusted proxy tells it. An nginx that sends no X-Forwarded-Proto but `X-Forwarded-Port: 443`
/// (Mosi's documented set-up) terminates TLS.
fn forwarded_base(headers: &HeaderMap) -> Option<String> {
    let port = text(headers, "x-forwarded-port").and_then(|port| port.parse::<u16>().ok());
    let scheme = match text(headers, "x-forwarded-proto") {
        Some(scheme @ ("http" | "https")) => scheme,
        Some(_) | None if port == Some(443) => "https",
        Some(_) | None => return None,
    };
    let host = text(headers, "x-forwarded-host").or_else(|| text(headers, HOST.as_str()))?;
    if !host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'))
    {
        return None;
    }
    let default = if scheme == "https" { 443 } else { 80 };
    match port {
        // nginx's `$host` has no port: a public port that is not the scheme's own must come back.
        Some(port) if port != default && !has_port(host) => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{}", without_port(host, default))),
    }
}

fn has_port(host: &str) -> bool {
    let after_bracket = host.rsplit(']').next().unwrap_or(host);
    after_bracket.contains(':')
}

fn without_port(host: &str, default: u16) -> &str {
    host.strip_suffix(&format!(":{default}"))
        .filter(|_| has_port(host))
        .unwrap_or(host)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

/// `::ffff:192.0.2.1` is `192.0.2.1`: a dual-stack listener shows the former.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn behind(proxies: &[&str]) -> Trust {
        Trust {
            front: Front::Other,
            proxies: proxies.iter().map(|network| network.parse().unwrap()).collect(),
            host: None,
            relative_urls: false,
        }
    }

    const NGINX: &str = "10.0.0.1";

    fn nginx() -> Option<IpAddr> {
        NGINX.parse().ok()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let sent = headers(&[
            ("host", "a:5000"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ]);
        let origin = behind(&[]).origin(&sent, nginx());
        assert_eq!(origin.client, nginx().unwrap());
        assert_eq!(origin.base, None);
        assert_eq!(origin.realm_base, "http://a:5000");
    }

    #[test]
    fn a_unix_socket_alone_is_no_reason_to_believe() {
        let sent = headers(&[
            ("host", "a"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(behind(&[]).origin(&sent, None).base, None);
        assert_eq!(
            behind(&["127.0.0.1"]).origin(&sent, None).base.as_deref(),
            Some("https://a")
        );
    }

    // proves: MOSI-06
    #[test]
    fn nginx_without_forwarded_proto_but_port_443_is_https() {
        let sent = headers(&[
            ("host", "mosiproxy"),
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-port", "443"),
        ]);
        let origin = behind(&["10.0.0.0/8"]).origin(&sent, nginx());
        assert_eq!(origin.base.as_deref(), Some("https://mosiproxy"));
        assert_eq!(origin.client, "9.9.9.9".parse::<IpAddr>().unwrap());
    }

    // proves: SECURE-16
    #[test]
    fn a_public_port_comes_back_when_the_host_header_lost_it() {
        let sent = headers(&[
            ("host", "hub"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "5043"),
        ]);
        assert_eq!(
            behind(&[NGINX]).origin(&sent, nginx()).base.as_deref(),
            Some("https://hub:5043")
        );
        let sent = headers(&[("x-forwarded-host", "hub:5043"), ("x-forwarded-proto", "https")]);
        assert_eq!(
            behind(&[NGINX]).origin(&sent, nginx()).base.as_deref(),
            Some("https://hub:5043")
        );
    }

    // proves: MOSI-07
    #[test]
    fn the_configured_host_wins_and_443_is_omitted() {
        let mut trust = behind(&[NGINX]);
        trust.host = Some("https://hub.example.com:443".parse().unwrap());
        let sent = headers(&[("host", "other"), ("x-forwarded-proto", "http")]);
        assert_eq!(
            trust.origin(&sent, nginx()).base.as_deref(),
            Some("https://hub.example.com")
        );
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_proxy() {
        let sent = headers(&[("host", "a"), ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.7")]);
        let origin = behind(&["10.0.0.0/8"]).origin(&sent, nginx());
        assert_eq!(origin.client, "1.2.3.4".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_host_that_could_break_a_header_is_not_echoed() {
        let sent = headers(&[("x-forwarded-host", "a/b"), ("x-forwarded-proto", "https")]);
        assert_eq!(behind(&[NGINX]).origin(&sent, nginx()).base, None);
    }

    #[test]
    fn ipv6_hosts_keep_their_brackets() {
        let sent = headers(&[("host", "[::1]:443"), ("x-forwarded-proto", "https")]);
        assert_eq!(
            behind(&[NGINX]).origin(&sent, nginx()).base.as_deref(),
            Some("https://[::1]")
        );
        let sent = headers(&[
            ("host", "[::1]"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "8443"),
        ]);
        assert_eq!(
            behind(&[NGINX]).origin(&sent, nginx()).base.as_deref(),
            Some("https://[::1]:8443")
        );
    }
}
