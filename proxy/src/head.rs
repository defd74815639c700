//! The head of an HTTP/1.1 request, read before Pingora sees it: in time, in bounds, and without ambiguity.
//!
//! Pingora's own parser forgives what two parsers in a row may read differently (a lone LF, Content-Length beside
//! Transfer-Encoding), has one 400 for every fault and no deadline for a head that drips in. RFC 9112 sections 2.2,
//! 5.2 and 6.3 allow to refuse all of it.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::Uri;
use pingora::{Error, ErrorType};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::ending::Ending;
use crate::limits::{FIELDS, HEAD_SIZE, HEAD_TIME, URI_SIZE};

/// What came.
#[derive(Debug)]
pub(crate) enum Head {
    /// A whole head, with the empty line that ends it.
    Request(BytesMut),
    /// The client left, or stayed silent for too long.
    Gone,
    /// A head that is not passed on.
    Refused(Fault),
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 400, with what is wrong.
    Malformed(&'static str),
    /// 405: this is no forward proxy.
    Connect,
    /// 408
    TooSlow,
    /// 413, of what is neither a blob nor a manifest.
    BodyTooLarge,
    /// 414
    UriTooLong,
    /// 431, too many bytes.
    TooLarge,
    /// 431, too many fields.
    TooManyFields,
}

impl Fault {
    /// The status to answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Connect => 405,
            Self::TooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            Self::TooLarge | Self::TooManyFields => 431,
        }
    }

    /// What to tell the client.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Malformed(reason) => reason,
            Self::Connect => "CONNECT is not supported: this is a registry, not a forward proxy",
            Self::TooSlow => "the request's header did not arrive in time",
            Self::BodyTooLarge => "the request's body is too large, 64 KiB are the most here",
            Self::UriTooLong => "the request's URI is too long",
            Self::TooLarge => "the request's header is too large",
            Self::TooManyFields => "the request's header has too many fields, 88 are the most",
        }
    }

    /// As an error of Pingora, for requests whose head it has read.
    pub(crate) fn into_error(self) -> Box<Error> {
        Error::explain(ErrorType::HTTPStatus(self.status()), self.message()).into_down()
    }
}

/// Whether the registry would understand `target`: a path, `*`, or an absolute URL, of characters that RFC 3986 allows
/// there. The registry hangs up on anything else.
pub(crate) fn check_target(target: &[u8]) -> Result<(), Fault> {
    let wrong = Fault::Malformed("the request target is neither a path, which starts with /, nor an http URL");
    let uri = Uri::try_from(target).map_err(|_| {
        Fault::Malformed("the request target is no path or URL, or has characters that must be percent-encoded")
    })?;
    match uri.scheme_str() {
        None if target.starts_with(b"/") || target == b"*" => Ok(()),
        Some("http" | "https") => Ok(()),
        _ => Err(wrong),
    }
}

/// Reads the next head from `connection`. `idle` is how long a connection may rest before its next request;
/// `ending` says when no further requests are wanted.
pub(crate) async fn read(connection: &mut Connection, idle: Duration, ending: &mut watch::Receiver<Ending>) -> Head {
    let mut scan = Scan::default();
    let mut began = (!connection.ahead().is_empty()).then(Instant::now);
    let rests_since = Instant::now();
    loop {
        match scan.advance(connection.ahead()) {
            Progress::Complete(length) => return Head::Request(connection.ahead().split_to(length)),
            Progress::Refused(fault) => return Head::Refused(fault),
            Progress::Partial => {}
        }
        let grace = ending.borrow_and_update().grace();
        let deadline = match (began, grace) {
            (Some(began), _) => began + HEAD_TIME.min(idle),
            (None, Some(grace)) => Instant::now() + grace.min(idle),
            (None, None) => rests_since + idle,
        };
        let read = tokio::select! {
            read = timeout_at(deadline, connection.read_ahead()) => read,
            // A new deadline; nothing was read.
            Ok(()) = ending.changed() => continue,
        };
        match read {
            Ok(Ok(0)) | Ok(Err(_)) => return Head::Gone,
            Ok(Ok(_)) => began = began.or_else(|| Some(Instant::now())),
            Err(_) if began.is_some() => return Head::Refused(Fault::TooSlow),
            Err(_) => return Head::Gone,
        }
    }
}

/// How far a head was looked at.
#[derive(Debug, Default)]
struct Scan {
    line_start: usize,
    searched: usize,
    lines: usize,
    content_lengths: usize,
    transfer_encodings: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Complete(usize),
    Partial,
    Refused(Fault),
}

impl Scan {
    fn advance(&mut self, bytes: &mut BytesMut) -> Progress {
        // Empty lines before a request line are skipped (RFC 9112 section 2.2).
        while self.lines == 0 && bytes.starts_with(b"\r\n") {
            bytes.advance(2);
            self.searched = 0;
        }
        while let Some(found) = memchr::memchr(b'\n', &bytes[self.searched..]) {
            let end = self.searched + found;
            let Some(line) = bytes[self.line_start..end].strip_suffix(b"\r") else {
                return Progress::Refused(Fault::Malformed("a line of the header ends with LF alone"));
            };
            if line.is_empty() {
                return self.complete(end + 1);
            }
            if let Err(fault) = self.line(line) {
                return Progress::Refused(fault);
            }
            self.lines += 1;
            self.line_start = end + 1;
            self.searched = end + 1;
        }
        self.searched = bytes.len();
        if self.lines == 0 && bytes.len() > URI_SIZE + 32 {
            return Progress::Refused(Fault::UriTooLong);
        }
        if bytes.len() > HEAD_SIZE {
            return Progress::Refused(Fault::TooLarge);
        }
        Progress::Partial
    }

    fn complete(&self, length: usize) -> Progress {
        if length > HEAD_SIZE {
            return Progress::Refused(Fault::TooLarge);
        }
        Progress::Complete(length)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.contains(&b'\r') {
            return Err(Fault::Malformed("the header contains a lone CR"));
        }
        if self.lines == 0 {
            return request_line(line);
        }
        if self.lines > FIELDS {
            return Err(Fault::TooManyFields);
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(Fault::Malformed("a header field is folded over several lines"));
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            return Err(Fault::Malformed("a header field has no colon"));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.last().is_none_or(u8::is_ascii_whitespace) {
            return Err(Fault::Malformed(
                "a header field's name is empty or followed by a space",
            ));
        }
        self.framing(name, value)
    }

    /// What says how long the body is must say it once.
    fn framing(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if name.eq_ignore_ascii_case(b"content-length") {
            self.content_lengths += 1;
            let number = std::str::from_utf8(value)
                .ok()
                .and_then(|value| value.parse::<u64>().ok());
            if number.is_none() || !value.iter().all(u8::is_ascii_digit) {
                return Err(Fault::Malformed("Content-Length is not a number"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.transfer_encodings += 1;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Malformed("the only Transfer-Encoding understood is chunked"));
            }
        }
        if self.content_lengths + self.transfer_encodings > 1 {
            return Err(Fault::Malformed("the length of the body is given more than once"));
        }
        Ok(())
    }
}

fn request_line(line: &[u8]) -> Result<(), Fault> {
    if line.starts_with(b"CONNECT ") {
        return Err(Fault::Connect);
    }
    let parts: Vec<&[u8]> = line.splitn(4, |&byte| byte == b' ').collect();
    let &[_, target, _] = parts.as_slice() else {
        return Err(Fault::Malformed("the request line is not `METHOD target HTTP/1.1`"));
    };
    if target.len() > URI_SIZE {
        return Err(Fault::UriTooLong);
    }
    // Pingora would escape them, and so hide from the registry what the client sent.
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Fault::Malformed(
            "the request target contains bytes that must be percent-encoded",
        ));
    }
    check_target(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(head: &str) -> Progress {
        Scan::default().advance(&mut BytesMut::from(head.as_bytes()))
    }

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_arrives() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
        let mut bytes = BytesMut::from(format!("{head}abcGET").as_bytes());
        assert_eq!(Scan::default().advance(&mut bytes), Progress::Complete(head.len()));

        let (mut scan, mut bytes) = (Scan::default(), BytesMut::new());
        for (index, byte) in head.bytes().enumerate() {
            bytes.extend_from_slice(&[byte]);
            let expected = if index + 1 == head.len() {
                Progress::Complete(head.len())
            } else {
                Progress::Partial
            };
            assert_eq!(scan.advance(&mut bytes), expected, "after {} bytes", index + 1);
        }
    }

    #[test]
    fn empty_lines_before_the_request_are_skipped() {
        let mut bytes = BytesMut::from(&b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"[..]);
        assert_eq!(Scan::default().advance(&mut bytes), Progress::Complete(18));
        assert!(bytes.starts_with(b"GET"));
    }

    #[test]
    fn what_two_parsers_may_read_differently_is_refused() {
        for head in [
            "GET /\r\n\r\n",
            "GET /a b HTTP/1.1\r\n\r\n",
            "GET /a\u{1}b HTTP/1.1\r\n\r\n",
            "GET /ä HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\r\nX: a\rContent-Length: 3\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\r\n\tfolded\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\n: no name\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
        ] {
            assert!(
                matches!(scan(head), Progress::Refused(Fault::Malformed(_))),
                "{head:?}: {:?}",
                scan(head)
            );
        }
        assert_eq!(
            scan("CONNECT a:443 HTTP/1.1\r\n\r\n"),
            Progress::Refused(Fault::Connect)
        );
    }

    #[test]
    fn targets_that_the_registry_would_not_understand_are_refused() {
        for target in ["/", "/v2/?n=1", "*", "http://a/x", "https://a?x", "/a%3Cb", "/a:b@c/d"] {
            assert_eq!(check_target(target.as_bytes()), Ok(()), "{target}");
        }
        for target in [
            "?x",
            "x",
            "",
            "x/y",
            "//",
            "/<x>",
            "ftp://a/",
            "http:///x",
            "a:443",
            "#x",
            "**",
        ] {
            // A path may begin with two slashes; what it names is the registry's to say.
            assert_eq!(check_target(target.as_bytes()).is_err(), target != "//", "{target}");
        }
    }

    #[test]
    fn sizes_are_bounded_before_the_head_is_complete() {
        let uri = "a".repeat(URI_SIZE);
        assert_eq!(
            scan(&format!("GET /{uri} HTTP/1.1\r\n\r\n")),
            Progress::Refused(Fault::UriTooLong)
        );
        assert_eq!(scan(&format!("GET /{uri}{uri}")), Progress::Refused(Fault::UriTooLong));
        assert_eq!(scan(&format!("GET /{} HTTP/1.1\r\n", &uri[1..])), Progress::Partial);
        let value = "a".repeat(HEAD_SIZE);
        assert_eq!(
            scan(&format!("GET / HTTP/1.1\r\nX: {value}")),
            Progress::Refused(Fault::TooLarge)
        );
        assert_eq!(
            scan(&format!("GET / HTTP/1.1\r\nX: {value}\r\n\r\n")),
            Progress::Refused(Fault::TooLarge)
        );
        for (fields, refused) in [(FIELDS, false), (FIELDS + 1, true), (97, true), (200, true)] {
            let fields = "X: a\r\n".repeat(fields);
            let scanned = scan(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
            assert_eq!(
                scanned == Progress::Refused(Fault::TooManyFields),
                refused,
                "{scanned:?}"
            );
        }
        assert!(Fault::TooManyFields.message().contains(&format!(" {FIELDS} ")));
    }
}
