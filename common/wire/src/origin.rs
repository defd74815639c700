//! Who asks, and under which URL: which forwarded headers are believed, and what they say. The one reading of proxy and
//! registry.
//!
//! - A trusted peer is believed: scheme, host and port are the first of each list, which the proxy nearest to the client
//!   said; the client's address is found from the right. `Forwarded` (RFC 7239) counts where the peer sent no
//!   `X-Forwarded-*` and no `X-Real-IP`: an nginx that writes those passes on whatever `Forwarded` a client sent.
//! - Of all others the scheme alone counts, and upwards only: somebody who says https is taken at their word, so that no
//!   password is asked for over http; somebody who says http changes nothing. Port 443 in `Host` says https too: nothing
//!   else is served there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use http::uri::Authority;

use crate::fields::ForwardedFields;
use crate::rfc7239::{self, ForwardedElement};
use crate::x_forwarded_for;

/// How the client speaks to the outermost proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// The direct peer of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// `None` for a Unix socket, which counts as `127.0.0.1`.
    pub address: Option<IpAddr>,
    /// Whether it is Lockgate's own proxy, which is believed whatever its address is.
    pub is_own_proxy: bool,
    /// What its connection is, where that says how the client came; `None` where TLS always ends elsewhere.
    pub scheme: Option<Scheme>,
}

/// What is known of the client and of the public URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The client's own address, behind all proxies that are trusted.
    pub client: IpAddr,
    /// Whether the direct peer is believed.
    pub is_trusted: bool,
    /// The best that is known; http when nobody said anything.
    pub scheme: Scheme,
    /// Whether the connection or somebody trusted said which scheme it is.
    pub is_scheme_told: bool,
    /// The name that the client used, with its port if it had one.
    pub host: Option<Authority>,
    /// A port that somebody trusted said.
    pub port: Option<u16>,
}

impl Origin {
    /// Reads it from the `fields` of a request from `peer`, which was for `host` (the header, or h2's authority).
    pub fn new(
        fields: &ForwardedFields<'_>,
        host: Option<&str>,
        peer: Peer,
        is_trusted: impl Fn(IpAddr) -> bool,
    ) -> Self {
        let address = peer.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
        let is_believed = peer.is_own_proxy || is_trusted(address);
        let elements = rfc7239::elements(&fields.forwarded).unwrap_or_default();
        let claims = [Claims::by_fields(fields), Claims::by_elements(&elements)];
        let is_https_claimed = claims.iter().any(|claim| claim.scheme == Some(Scheme::Https));

        let [by_fields, by_elements] = claims;
        let (told, client) = match is_believed {
            true if fields.has_legacy => {
                let hops = x_forwarded_for::hops(&fields.forwarded_for);
                (by_fields, x_forwarded_for::client(hops, address, is_trusted))
            }
            true => {
                let hops = elements.iter().rev().map(|element| element.client.as_deref());
                (by_elements, x_forwarded_for::client(hops, address, is_trusted))
            }
            false => (Claims::default(), address),
        };
        let host = told.host.or_else(|| authority(host?));
        let is_https_port = host.as_ref().and_then(Authority::port_u16) == Some(443);
        let scheme = match told.scheme {
            None if is_https_claimed || is_https_port => Scheme::Https,
            told => told.or(peer.scheme).unwrap_or(Scheme::Http),
        };
        Self {
            client,
            is_trusted: is_believed,
            scheme,
            is_scheme_told: told.scheme.or(peer.scheme).is_some(),
            host,
            port: told.port,
        }
    }

    /// The port of the public URL.
    pub fn public_port(&self) -> u16 {
        let default = self.scheme.default_port();
        // A proxy that names the other scheme's own port means a listener behind it, not the one that the client used.
        let told = self.port.filter(|port| *port != self.scheme.other().default_port());
        // The port in Host is the one that the client used, whatever lies between it and us.
        let named = self.host.as_ref().and_then(Authority::port_u16);
        named.or(told).unwrap_or(default)
    }

    /// `scheme://host[:port]`, the port unless it is the scheme's own; `None` where no host was named.
    pub fn url(&self) -> Option<String> {
        let host = self.host.as_ref()?.host();
        let port = self.public_port();
        Some(match port == self.scheme.default_port() {
            true => format!("{}://{host}", self.scheme),
            false => format!("{}://{host}:{port}", self.scheme),
        })
    }
}

impl Scheme {
    /// Reads its name in upper or lower case.
    fn read(name: &str) -> Option<Self> {
        match name {
            name if name.eq_ignore_ascii_case("https") => Some(Self::Https),
            name if name.eq_ignore_ascii_case("http") => Some(Self::Http),
            _ => None,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Http => Self::Https,
            Self::Https => Self::Http,
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// What forwarded headers say of the public URL.
#[derive(Default)]
struct Claims {
    scheme: Option<Scheme>,
    host: Option<Authority>,
    port: Option<u16>,
}

impl Claims {
    /// An nginx that sends `X-Forwarded-Port: 443` terminates TLS, whether it sends no `X-Forwarded-Proto` or, behind
    /// another one, that of its own plain listener.
    fn by_fields(fields: &ForwardedFields<'_>) -> Self {
        let scheme = fields.proto.and_then(Scheme::read);
        Self {
            scheme: match fields.port {
                Some(443) => Some(Scheme::Https),
                _ => scheme,
            },
            host: fields.host.and_then(authority),
            port: fields.port,
        }
    }

    fn by_elements(elements: &[ForwardedElement<'_>]) -> Self {
        Self {
            scheme: elements
                .iter()
                .find_map(|element| element.proto.as_deref())
                .and_then(Scheme::read),
            host: elements
                .iter()
                .find_map(|element| element.host.as_deref())
                .and_then(authority),
            port: None,
        }
    }
}

/// Parses a host with an optional port (RFC 3986 section 3.2); nothing else passes for one, and nothing that could leave a
/// header or a URL.
pub fn authority(host: &str) -> Option<Authority> {
    let parsed: Authority = host.parse().ok()?;
    (!parsed.as_str().contains('@') && is_host(parsed.host())).then_some(parsed)
}

/// Whether brackets are around an address and nowhere else: `a[::1]` passes for an [`Authority`] whose host is `a[`.
fn is_host(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let name = literal.unwrap_or(host);
    !name.is_empty() && !name.contains(['[', ']'])
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
