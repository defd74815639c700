//! Plain HTTP where TLS is spoken: an answer that names the https URL, instead of a TLS alert that clients cannot read.

use http::Uri;
use lockgate_config::PublicUrl;

use crate::request::error::{ErrorCode, ProxyError};
use crate::request::error_response::{to_http1, to_http1_text};
use crate::request::raw_head::RawHead;
use crate::request::redirect::{public, with_port};
use crate::request::settings::ProxySettings;

/// Bytes of a path that is repeated in the answer.
const PATH_SIZE: usize = 300;

/// Whether a connection that begins with `byte` speaks plain HTTP: a method begins with a letter, a TLS record with 22.
pub(crate) fn begins(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphabetic())
}

/// The whole answer to the request `head`, which arrived at `port`; `None`: it cannot be read.
pub(crate) fn answer(head: Option<RawHead<'_>>, settings: &ProxySettings, port: u16) -> Vec<u8> {
    let target = head.and_then(|head| head.target());
    let path = target.as_ref().map_or("/", Uri::path);
    let error = match head.and_then(|head| url(head, path, settings.host.as_ref(), port)) {
        Some(url) => ProxyError::new(
            ErrorCode::PlainHttp,
            format!("the client sent an HTTP request to an HTTPS port, use {url}"),
        ),
        None => ErrorCode::PlainHttp.into(),
    };
    let mut answer = if settings.is_api(path) {
        to_http1(&error)
    } else {
        to_http1_text(&error)
    };
    if head.is_some_and(|head| head.method == "HEAD") {
        let end = answer.windows(4).position(|end| end == b"\r\n\r\n");
        answer.truncate(end.map_or(0, |end| end + 4));
    }
    answer
}

/// The same place over https: at the public name when there is one, else where the client believes to be.
fn url(head: RawHead<'_>, path: &str, host: Option<&PublicUrl>, port: u16) -> Option<String> {
    let host = match host.and_then(public) {
        Some(public) => public,
        None => {
            let asked = head.host().filter(|asked| is_plain(asked.host()))?;
            with_port(asked.host(), asked.port_u16().unwrap_or(port))
        }
    };
    let path = if path.starts_with('/') && path.len() <= PATH_SIZE {
        path
    } else {
        "/"
    };
    Some(format!("https://{host}{path}"))
}

/// Whether it is written like a name or an address: the syntax of URLs allows much more.
fn is_plain(host: &str) -> bool {
    host.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_of(target: &str, host: &str, public: Option<&PublicUrl>, port: u16) -> Option<String> {
        let head = format!("GET {target} HTTP/1.1\r\nAccept: */*\r\nhost: {host}\r\n\r\n");
        let head = RawHead::parse(head.as_bytes())?;
        url(head, head.target()?.path(), public, port)
    }

    #[test]
    fn tls_and_http_are_told_apart_by_the_first_byte() {
        for byte in [b'G', b'P', b'p', b'Z'] {
            assert!(begins(Some(byte)));
        }
        for byte in [
            None,
            Some(0x16),
            Some(0x80),
            Some(0),
            Some(b'\r'),
            Some(b' '),
            Some(b'5'),
        ] {
            assert!(!begins(byte), "{byte:?}");
        }
    }

    #[test]
    fn the_url_has_the_host_and_port_that_the_client_used() {
        for (target, host, port, expected) in [
            ("/v2/", "localhost:5443", 5443, "https://localhost:5443/v2/"),
            // A port that leads here from outside.
            ("/v2/", "r.example:8443", 443, "https://r.example:8443/v2/"),
            ("/v2/", "r.example", 443, "https://r.example/v2/"),
            ("/v2/", "r.example:443", 443, "https://r.example/v2/"),
            ("/v2/", "r.example", 5443, "https://r.example:5443/v2/"),
            ("/x?token=secret", "[::1]:5443", 5443, "https://[::1]:5443/x"),
            (
                "http://other.example/x",
                "r.example:5443",
                5443,
                "https://r.example:5443/x",
            ),
            ("*", "r.example:5443", 5443, "https://r.example:5443/"),
        ] {
            assert_eq!(
                url_of(target, host, None, port).as_deref(),
                Some(expected),
                "{target} {host}"
            );
        }
        let long = format!("/{}", "a".repeat(PATH_SIZE));
        assert_eq!(url_of(&long, "a:1", None, 1).as_deref(), Some("https://a:1/"));
        for public in [None, Some(5043)].map(|port| PublicUrl {
            scheme: "https".into(),
            host: "r.example".into(),
            port,
        }) {
            let expected = format!("https://{}/v2/", with_port("r.example", public.port.unwrap_or(443)));
            assert_eq!(url_of("/v2/", "10.1.2.3:5443", Some(&public), 5443), Some(expected));
        }
    }

    #[test]
    fn odd_hosts_are_not_repeated() {
        for host in [
            "",
            "a b",
            "user@host",
            "a'b",
            "a,b",
            "a;b",
            "a$(b)",
            "a&b",
            "ä",
            "a%62",
            "a/b",
            "a:b:c",
            "<b>",
        ] {
            assert_eq!(url_of("/v2/", host, None, 443), None, "{host}");
        }
        let none = b"GET /v2/ HTTP/1.0\r\n\r\n";
        assert_eq!(url(RawHead::parse(none).unwrap(), "/v2/", None, 443), None);
    }
}
