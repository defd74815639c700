//! The client behind all trusted proxies, and the URL that it used. Which headers are believed is decided where the proxy decides it too:
//! `lockgate_wire`.

use std::net::IpAddr;

use actix_web::http::header::{HOST, HeaderMap};
use lockgate_config::{Network, PublicUrl};
use lockgate_wire::{ForwardedFields, Peer, Scheme};

use crate::control::Frontend;

/// What decides whether forwarded headers are believed. They never are because a peer is a Unix socket: an
/// address-less peer counts as `127.0.0.1`, which `http.trustedproxies` may list.
#[derive(Debug, Clone)]
pub(crate) struct TrustedProxies {
    pub(crate) frontend: Frontend,
    pub(crate) proxies: Vec<Network>,
    pub(crate) host: Option<PublicUrl>,
    pub(crate) relative_urls: bool,
}

/// What is known of the client and of the public URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestOrigin {
    /// The client's own address, behind all proxies that are trusted.
    pub(crate) client: IpAddr,
    /// Whether the direct peer's headers are believed.
    pub(crate) trusted: bool,
    /// `scheme://host[:port]`; `None` when nobody trusted says it: a path-absolute `Location` is right then.
    pub(crate) base: Option<String>,
    /// The base as far as it is known, for a token realm, which must be absolute.
    pub(crate) realm_base: String,
}

impl TrustedProxies {
    /// Reads the headers of one request from `peer` (`None` for a Unix socket).
    pub(crate) fn origin(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> RequestOrigin {
        let fields = ForwardedFields::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let peer = Peer {
            address: peer,
            is_own_proxy: self.frontend == Frontend::Lockgate,
            // Plain HTTP, whatever the client speaks.
            scheme: None,
        };
        let is_proxy = |address| self.proxies.iter().any(|network| network.contains(address));
        let found = lockgate_wire::Origin::new(&fields, host, peer, is_proxy);
        let url = || found.url();
        let configured = self.host.as_ref().map(ToString::to_string);
        RequestOrigin {
            client: found.client,
            trusted: found.is_trusted,
            base: match self.relative_urls {
                true => None,
                false => configured.or_else(|| url().filter(|_| found.is_scheme_told)),
            },
            realm_base: self.configured_realm(found.scheme).or_else(url).unwrap_or_default(),
        }
    }

    /// Clients send passwords to a realm: one that is configured with http is named with https to who came by that.
    fn configured_realm(&self, scheme: Scheme) -> Option<String> {
        let host = self.host.as_ref()?;
        Some(match scheme {
            Scheme::Http => host.to_string(),
            Scheme::Https => PublicUrl {
                scheme: scheme.to_string(),
                ..host.clone()
            }
            .to_string(),
        })
    }
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

    fn behind(proxies: &[&str]) -> TrustedProxies {
        TrustedProxies {
            frontend: Frontend::Other,
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
    fn a_stranger_is_believed_that_the_client_spoke_https_and_nothing_else() {
        let said = [
            ("host", "a:5000"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-proto", "https"),
        ];
        let origin = behind(&[]).origin(&headers(&said), nginx());
        assert_eq!(origin.client, nginx().unwrap());
        assert_eq!(origin.base, None);
        assert_eq!(origin.realm_base, "https://a:5000");
        let origin = behind(&[]).origin(&headers(&said[..3]), nginx());
        assert_eq!((origin.base, origin.realm_base.as_str()), (None, "http://a:5000"));
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
    }

    // proves: MOSI-07
    #[test]
    fn the_configured_host_wins_and_443_is_omitted() {
        let mut trust = behind(&[NGINX]);
        trust.host = Some("https://hub.example.com:443".parse().unwrap());
        let sent = headers(&[("host", "other"), ("x-forwarded-proto", "http")]);
        let origin = trust.origin(&sent, nginx());
        assert_eq!(origin.base.as_deref(), Some("https://hub.example.com"));
        assert_eq!(origin.realm_base, "https://hub.example.com");
        trust.relative_urls = true;
        let origin = trust.origin(&sent, nginx());
        assert_eq!(
            (origin.base, origin.realm_base.as_str()),
            (None, "https://hub.example.com")
        );
    }

    #[test]
    fn a_realm_that_is_configured_with_http_is_https_for_who_came_by_that() {
        for (host, said, realm) in [
            ("http://hub:5000", "https", "https://hub:5000"),
            ("http://hub", "https", "https://hub"),
            ("http://hub", "http", "http://hub"),
            ("https://hub", "http", "https://hub"),
        ] {
            let mut trust = behind(&[]);
            trust.host = Some(host.parse().unwrap());
            let origin = trust.origin(&headers(&[("host", "a"), ("x-forwarded-proto", said)]), nginx());
            assert_eq!(
                (origin.base.as_deref(), origin.realm_base.as_str()),
                (Some(host), realm)
            );
        }
    }

    #[test]
    fn everybody_is_a_proxy_where_the_configuration_says_so() {
        let sent = headers(&[("host", "a"), ("x-forwarded-for", "6.6.6.6, 1.2.3.4")]);
        let client = |networks: &[&str]| behind(networks).origin(&sent, nginx()).client.to_string();
        assert_eq!(client(&["::/0"]), "6.6.6.6");
        assert_eq!(client(&["0.0.0.0/0"]), "6.6.6.6");
        assert_eq!(client(&["10.0.0.0/8"]), "1.2.3.4");
    }
}
