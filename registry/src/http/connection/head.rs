//! The head of a request, vetted as actix-http would: what that refuses by itself has an empty body, here it has a
//! reason. Pure.
//!
//! actix-web's types are those of an older `http` crate than ours, and take less.

use std::mem::MaybeUninit;

use actix_web::http::header::HeaderName;
use actix_web::http::{Method, Uri};
use httparse::{Header, Request, Status};

use super::body::Body;
use super::refusal::{METHOD, Refusal};

/// Fields that actix-http takes.
const MAX_FIELDS: usize = 96;
/// Bytes of a head. The own proxy takes 64 KiB, and adds some of its own.
const MAX_HEAD: usize = 96 * 1024;
/// Bytes of a target, as at the own proxy.
const MAX_TARGET: usize = 16 * 1024;

/// How much of a head is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The head is not complete yet.
    Partial,
    /// All of it: `length` bytes, and then a body.
    Complete {
        length: usize,
        body: Body,
        /// `Content-Length: 0` is to be added.
        adds_length: bool,
    },
    /// It is not passed on.
    Refused(Refusal),
}

/// Looks at what has come.
pub(super) fn vet(bytes: &[u8]) -> Progress {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(Status::Partial) if bytes.len() <= MAX_HEAD => return Progress::Partial,
        Ok(Status::Complete(_) | Status::Partial) if request.path.is_none_or(|target| target.len() > MAX_TARGET) => {
            return Progress::Refused(TARGET_TOO_LONG);
        }
        Ok(Status::Complete(_) | Status::Partial) => return Progress::Refused(HEAD_TOO_LARGE),
        Err(error) => return Progress::Refused(unparsable(error)),
    };
    match framing(&request) {
        Ok(Framing { body, adds_length }) => Progress::Complete {
            length,
            body,
            adds_length,
        },
        Err(refusal) => Progress::Refused(refusal),
    }
}

const TARGET_TOO_LONG: Refusal = Refusal::new(414, "the request's URI is too long, 16 KiB are the most");
const ODD_TARGET: Refusal = Refusal::malformed(
    "the request target is neither a path, which starts with /, nor an http URL; other characters than those of a URL are \
     percent-encoded",
);
const HEAD_TOO_LARGE: Refusal = Refusal::new(431, "the request's header is too large, 96 KiB are the most");

fn unparsable(error: httparse::Error) -> Refusal {
    use httparse::Error as E;
    match error {
        E::TooManyHeaders => Refusal::new(431, "the request's header has too many fields, 96 are the most"),
        E::Version => Refusal::malformed("the request line is not `METHOD target HTTP/1.1`, plain HTTP is spoken here"),
        E::Token => Refusal::malformed("the request line is no HTTP: plain HTTP is spoken here, not TLS"),
        E::HeaderName => {
            Refusal::malformed("a header field's name is empty, followed by a space, or has odd characters")
        }
        E::HeaderValue => Refusal::malformed("a header field's value has control characters"),
        E::NewLine => Refusal::malformed("the header has a lone CR or LF"),
        E::Status => Refusal::malformed("the request cannot be read"),
    }
}
struct Framing {
    body: Body,
    adds_length: bool,
}

/// RFC 9112 section 6.3; whatever two parsers in a row may read differently is refused.
fn framing(request: &Request<'_, '_>) -> Result<Framing, Refusal> {
    let is_http_11 = request.version == Some(1);
    let method = request.method.unwrap_or_default();
    check_line(method, request.path.unwrap_or_default())?;
    let fields = Fields::read(request.headers)?;
    if is_http_11 && !fields.has_host {
        return Err(Refusal::malformed("a request names its host in one Host field"));
    }
    if fields.is_chunked && !is_http_11 {
        return Err(Refusal::malformed("HTTP/1.0 has no Transfer-Encoding"));
    }
    let body = match (fields.is_chunked, fields.length) {
        (true, Some(_)) => return Err(Refusal::malformed("the length of the body is given more than once")),
        (true, None) => Body::chunked(),
        (false, _) if fields.wants_websocket => Body::Rest,
        (false, length) => Body::Length(length.unwrap_or(0)),
    };
    let says_nothing = fields.length.is_none() && body == Body::Length(0);
    Ok(Framing {
        // The body is empty then, and actix-http would refuse it: every nginx without `proxy_http_version` sends it.
        adds_length: says_nothing && !is_http_11 && method == Method::POST.as_str(),
        body,
    })
}

fn check_line(method: &str, target: &str) -> Result<(), Refusal> {
    if method == Method::CONNECT.as_str() {
        return Err(Refusal::new(
            405,
            "CONNECT is not supported: this is a registry, not a forward proxy",
        ));
    }
    if method == METHOD || Method::from_bytes(method.as_bytes()).is_err() {
        return Err(Refusal::malformed("there is no such method"));
    }
    if target.len() > MAX_TARGET {
        return Err(TARGET_TOO_LONG);
    }
    let uri = target.parse::<Uri>();
    match uri.as_ref().map(Uri::scheme_str) {
        Ok(None) if target.starts_with('/') || target == "*" => Ok(()),
        Ok(Some("http" | "https")) => Ok(()),
        _ => Err(ODD_TARGET),
    }
}

#[derive(Default)]
struct Fields {
    length: Option<u64>,
    is_chunked: bool,
    has_host: bool,
    wants_websocket: bool,
}

impl Fields {
    fn read(fields: &[Header<'_>]) -> Result<Self, Refusal> {
        let mut read = Self::default();
        for Header { name, value } in fields {
            // actix-http expects each to be one.
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(HEAD_TOO_LARGE);
            }
            let value = value.trim_ascii();
            if name.eq_ignore_ascii_case("content-length") {
                if read.length.replace(length(value)?).is_some() {
                    return Err(Refusal::malformed("the length of the body is given more than once"));
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if std::mem::replace(&mut read.is_chunked, true) || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::malformed("the only Transfer-Encoding understood is chunked"));
                }
            } else if name.eq_ignore_ascii_case("host") {
                if std::mem::replace(&mut read.has_host, true) {
                    return Err(Refusal::malformed("a request names its host in one Host field"));
                }
            } else if name.eq_ignore_ascii_case("upgrade") {
                read.wants_websocket |= value.eq_ignore_ascii_case(b"websocket");
            }
        }
        Ok(read)
    }
}

fn length(value: &[u8]) -> Result<u64, Refusal> {
    let digits = std::str::from_utf8(value)
        .ok()
        .filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(Refusal::malformed("Content-Length is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(head: &str) -> Refusal {
        match vet(head.as_bytes()) {
            Progress::Refused(refusal) => refusal,
            other => panic!("{head:.80}: {other:?}"),
        }
    }

    #[track_caller]
    fn check(head: &str, expected: Body, expects_length: bool) {
        match vet(head.as_bytes()) {
            Progress::Complete {
                length,
                body,
                adds_length,
            } => assert_eq!(
                (length, body, adds_length),
                (head.len(), expected, expects_length),
                "{head}"
            ),
            other => panic!("{head}: {other:?}"),
        }
        for end in 0..head.len() {
            assert_eq!(vet(&head.as_bytes()[..end]), Progress::Partial, "{:?}", &head[..end]);
        }
    }

    #[test]
    fn a_body_is_as_long_as_the_head_says() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0), false);
        check("GET /v2/ HTTP/1.0\r\n\r\n", Body::Length(0), false);
        check("POST / HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0), false);
        check(
            "PUT http://a/x HTTP/1.1\r\nHost:\r\ncontent-LENGTH:  7 \r\n\r\n",
            Body::Length(7),
            false,
        );
        check(
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n",
            Body::chunked(),
            false,
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n",
            Body::Rest,
            false,
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
            Body::Length(0),
            false,
        );
    }

    #[test]
    fn a_post_of_http_1_0_that_says_nothing_of_its_body_has_none() {
        check("POST /v2/ HTTP/1.0\r\n\r\n", Body::Length(0), true);
        check("POST /v2/ HTTP/1.0\r\nHost: a\r\n\r\n", Body::Length(0), true);
        check(
            "POST /v2/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
            Body::Length(0),
            false,
        );
        check(
            "POST /v2/ HTTP/1.0\r\nContent-Length: 3\r\n\r\n",
            Body::Length(3),
            false,
        );
        check("PUT /v2/ HTTP/1.0\r\n\r\n", Body::Length(0), false);
        check("PATCH /v2/ HTTP/1.0\r\n\r\n", Body::Length(0), false);
    }

    #[test]
    fn what_two_parsers_may_read_differently_is_refused() {
        let post = "POST / HTTP/1.1\r\nHost: a\r\n";
        for head in [
            format!("{post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
            format!("{post}Content-Length: 3\r\nContent-Length: 3\r\n\r\n"),
            format!("{post}Content-Length: 3, 3\r\n\r\n"),
            format!("{post}Content-Length: +3\r\n\r\n"),
            format!("{post}Content-Length:\r\n\r\n"),
            format!("{post}Content-Length: 18446744073709551616\r\n\r\n"),
            format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            format!("{post}Transfer-Encoding: identity\r\n\r\n"),
            format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            format!("{post}Transfer-Encoding : chunked\r\n\r\n"),
            format!("{post}Host: b\r\n\r\n"),
            format!("{post}X: a\r\n folded\r\n\r\n"),
            format!("{post}X: a\0b\r\n\r\n"),
            format!("{post}no colon\r\n\r\n"),
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\n\r\n".to_owned(),
            "GET /\r\n\r\n".to_owned(),
            "GET / HTTP/2.0\r\n\r\n".to_owned(),
            "GET /\0 HTTP/1.1\r\n\r\n".to_owned(),
            "GET x HTTP/1.0\r\n\r\n".to_owned(),
            "GET ?x HTTP/1.0\r\n\r\n".to_owned(),
            "GET ftp://a/ HTTP/1.0\r\n\r\n".to_owned(),
            "GET /<x> HTTP/1.0\r\n\r\n".to_owned(),
            "G%T / HTTP/1.0\r\n\r\n".to_owned(),
            "G#T / HTTP/1.0\r\n\r\n".to_owned(),
            "GET /\u{e9} HTTP/1.0\r\n\r\n".to_owned(),
            "GET /?n=\u{e9} HTTP/1.0\r\n\r\n".to_owned(),
            "GET http://a/\u{e9} HTTP/1.0\r\n\r\n".to_owned(),
            "\u{16}\u{3}\u{1}".to_owned(),
        ] {
            assert_eq!(refused(&head).status, 400, "{head}");
        }
        assert_eq!(refused("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").status, 405);
    }

    #[test]
    fn nobody_says_what_a_connection_says_itself() {
        let head = String::from_utf8(Refusal::TOO_SLOW.to_request()).unwrap();
        assert_eq!(refused(&head).status, 400);
    }

    #[test]
    fn sizes_are_bounded_each_with_its_status() {
        let with_fields = |number| format!("GET / HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(number));
        check(&with_fields(3), Body::Length(0), false);
        assert!(matches!(vet(with_fields(96).as_bytes()), Progress::Complete { .. }));
        for number in [97, 200, 5000] {
            assert_eq!(refused(&with_fields(number)).status, 431, "{number}");
        }
        let with_target = |length| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(length - 1));
        assert!(matches!(
            vet(with_target(MAX_TARGET).as_bytes()),
            Progress::Complete { .. }
        ));
        for length in [MAX_TARGET + 1, MAX_HEAD + 1] {
            assert_eq!(refused(&with_target(length)).status, 414);
            assert_eq!(refused(&with_target(MAX_HEAD + 1)[..MAX_HEAD + 1]).status, 414);
        }
        let with_value = |length| format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "a".repeat(length));
        assert!(matches!(
            vet(with_value(64 * 1024).as_bytes()),
            Progress::Complete { .. }
        ));
        assert_eq!(refused(&with_value(MAX_HEAD)).status, 431);
        assert_eq!(refused(&with_value(MAX_HEAD)[..MAX_HEAD + 1]).status, 431);
        // actix-http would panic.
        assert_eq!(
            refused(&format!("GET / HTTP/1.0\r\n{}: y\r\n\r\n", "a".repeat(70_000))).status,
            431
        );
    }
}
