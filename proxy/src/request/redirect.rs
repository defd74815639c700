//! The plain listener of `http.redirecthttps`: 301 to the same place over https, and answers to ACME servers.

use std::path::Path;

use lockgate_certs::challenge;
use lockgate_config::PublicUrl;

use crate::request::error::ErrorCode;
use crate::request::error_response::to_http1;
use crate::request::raw_head::RawHead;

/// RFC 8555 section 8.3.
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Status and answer of the request `head`; `None`: it cannot be read. `port` is that of the public
/// listener; `challenges` is where answers to HTTP-01 challenges are found, when certificates are ordered.
pub(crate) fn answer(
    head: Option<RawHead<'_>>,
    host: Option<&PublicUrl>,
    port: u16,
    challenges: Option<&Path>,
) -> (u16, Vec<u8>) {
    if let (Some(directory), Some(token)) = (challenges, head.and_then(challenge)) {
        return challenge_answer(challenge::token(directory, token));
    }
    let Some(location) = head.and_then(|head| location(head, host, port)) else {
        return error_answer(ErrorCode::HostUnnamed);
    };
    let answer = format!(
        "HTTP/1.1 301 Moved Permanently\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    (301, answer.into_bytes())
}

/// The token that is asked for.
fn challenge(head: RawHead<'_>) -> Option<&str> {
    let token = head.written_target().strip_prefix(CHALLENGES);
    token.filter(|_| head.method == "GET")
}

fn error_answer(code: ErrorCode) -> (u16, Vec<u8>) {
    (code.status(), to_http1(&code.into()))
}

fn challenge_answer(key_authorization: Option<Vec<u8>>) -> (u16, Vec<u8>) {
    let Some(body) = key_authorization else {
        return error_answer(ErrorCode::ChallengeUnknown);
    };
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    (200, answer)
}

fn location(head: RawHead<'_>, host: Option<&PublicUrl>, port: u16) -> Option<String> {
    let uri = head.target()?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let host = match host.and_then(public) {
        Some(public) => public,
        None => with_port(head.host()?.host(), port),
    };
    Some(format!("https://{host}{path}"))
}

/// The host of `http.host`, with its port, when that is an https URL.
pub(crate) fn public(url: &PublicUrl) -> Option<String> {
    (url.scheme == "https").then(|| with_port(&url.host, url.port.unwrap_or(443)))
}

/// The authority of an https URL.
pub(crate) fn with_port(host: &str, port: u16) -> String {
    if port == 443 {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str, host: &str) -> Vec<u8> {
        format!("GET {target} HTTP/1.1\r\nhOst: {host}\r\n\r\n").into_bytes()
    }

    #[test]
    fn the_public_host_and_port_are_named() {
        let public = PublicUrl {
            scheme: "https".into(),
            host: "r.example".into(),
            port: None,
        };
        let other_port = PublicUrl {
            port: Some(5043),
            ..public.clone()
        };
        for (head, host, port, expected) in [
            (get("/v2/?n=1", "a.example"), None, 443, "https://a.example/v2/?n=1"),
            (get("/", "a.example:80"), None, 5000, "https://a.example:5000/"),
            (get("/x", "[::1]:80"), None, 443, "https://[::1]/x"),
            (get("/x", "other"), Some(&public), 5000, "https://r.example/x"),
            (get("/x", "other"), Some(&other_port), 443, "https://r.example:5043/x"),
            (get("http://a.example/x", "a.example"), None, 443, "https://a.example/x"),
            (get("*", "a.example"), None, 443, "https://a.example/"),
        ] {
            assert_eq!(
                location(RawHead::parse(&head).unwrap(), host, port).as_deref(),
                Some(expected)
            );
        }
        for head in [
            get("/x", "bad host"),
            get("/x", "user@host"),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        ] {
            let (status, answer) = answer(RawHead::parse(&head), None, 443, None);
            assert!(status == 400 && answer.starts_with(b"HTTP/1.1 400 "));
        }
    }
}
