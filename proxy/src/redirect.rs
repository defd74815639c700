//! The plain listener of `http.redirecthttps`: 301 to the same place over https.

use lockgate_config::PublicUrl;

use crate::error_page::ErrorPage;
use crate::headers::authority;

/// Status and answer of one request whose head is `head`. `port` is the public entrance's.
pub(crate) fn answer(head: &[u8], host: Option<&PublicUrl>, port: u16) -> (u16, Vec<u8>) {
    // ACME's HTTP-01 challenges (RFC 8555 section 8.3) will be answered here, before the redirect.
    let Some(location) = location(head, host, port) else {
        return (
            400,
            ErrorPage::new(400, "the request names no host to redirect to").to_http1(),
        );
    };
    let answer = format!(
        "HTTP/1.1 301 Moved Permanently\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    (301, answer.into_bytes())
}

fn location(head: &[u8], host: Option<&PublicUrl>, port: u16) -> Option<String> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let target = lines.next()?.split(' ').nth(1)?;
    let uri: http::Uri = target.parse().ok()?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let host = match host {
        Some(public) if public.scheme == "https" => match public.port {
            Some(port) => format!("{}:{port}", public.host),
            None => public.host.clone(),
        },
        _ => {
            let asked = lines
                .find_map(|line| {
                    line.split_once(':')
                        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
                })
                .map(|(_, value)| value.trim())?;
            let asked = authority(asked)?;
            if port == 443 {
                asked.host().to_owned()
            } else {
                format!("{}:{port}", asked.host())
            }
        }
    };
    Some(format!("https://{host}{path}"))
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
            assert_eq!(location(&head, host, port).as_deref(), Some(expected));
        }
        for head in [
            get("/x", "bad host"),
            get("/x", "user@host"),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        ] {
            let (status, answer) = answer(&head, None, 443);
            assert!(status == 400 && answer.starts_with(b"HTTP/1.1 400 "));
        }
    }
}
