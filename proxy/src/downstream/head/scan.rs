//! Checks a head line by line as it arrives. Whatever Pingora would refuse by itself is refused here: its own
//! answer has an empty body and no reason.

use bytes::{Buf, BytesMut};
use lockgate_wire::is_token;

use crate::downstream::limits::MAX_HEAD_SIZE;
use crate::request::head_error::HeadError;
use crate::request::limits::{MAX_FIELDS, MAX_URI_SIZE};
use crate::request::target::check_target;

/// How far a head was looked at.
#[derive(Debug, Default)]
pub(super) struct Scan {
    line_start: usize,
    searched: usize,
    lines: usize,
    is_http_10: bool,
    /// That of a target which is a whole URL.
    authority: Option<Box<[u8]>>,
    hosts: usize,
    content_lengths: usize,
    transfer_encodings: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Complete(usize),
    Partial,
    Refused(HeadError),
}

impl Scan {
    pub(super) fn advance(&mut self, bytes: &mut BytesMut) -> Progress {
        // Empty lines before a request line are skipped (RFC 9112 section 2.2).
        while self.lines == 0 && bytes.starts_with(b"\r\n") {
            bytes.advance(2);
            self.searched = 0;
        }
        while let Some(found) = memchr::memchr(b'\n', &bytes[self.searched..]) {
            let end = self.searched + found;
            let Some(line) = bytes[self.line_start..end].strip_suffix(b"\r") else {
                return Progress::Refused(HeadError::Malformed("a line of the header ends with LF alone"));
            };
            if line.is_empty() {
                return self.complete(end + 1);
            }
            if let Err(error) = self.line(line) {
                return Progress::Refused(error);
            }
            self.lines += 1;
            self.line_start = end + 1;
            self.searched = end + 1;
        }
        self.searched = bytes.len();
        if self.lines == 0 && bytes.len() > MAX_URI_SIZE + 32 {
            return Progress::Refused(HeadError::UriTooLong);
        }
        if bytes.len() > MAX_HEAD_SIZE {
            return Progress::Refused(HeadError::TooLarge);
        }
        Progress::Partial
    }

    fn complete(&self, length: usize) -> Progress {
        if length > MAX_HEAD_SIZE {
            return Progress::Refused(HeadError::TooLarge);
        }
        Progress::Complete(length)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), HeadError> {
        if line.contains(&b'\r') {
            return Err(HeadError::Malformed("the header contains a lone CR"));
        }
        if self.lines == 0 {
            return self.request_line(line);
        }
        if self.lines > MAX_FIELDS {
            return Err(HeadError::TooManyFields);
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(HeadError::Malformed("a header field is folded over several lines"));
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            return Err(HeadError::Malformed("a header field has no colon"));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if !is_token(name) {
            return Err(HeadError::Malformed(
                "a header field's name is empty, followed by a space, or has odd characters",
            ));
        }
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(HeadError::Malformed("a header field's value has control characters"));
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.host(value)?;
        }
        self.framing(name, value)
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), HeadError> {
        if line.starts_with(b"CONNECT ") {
            return Err(HeadError::Connect);
        }
        let parts: Vec<&[u8]> = line.splitn(4, |&byte| byte == b' ').collect();
        let &[method, target, version @ (b"HTTP/1.1" | b"HTTP/1.0")] = parts.as_slice() else {
            return Err(HeadError::Malformed("the request line is not `METHOD target HTTP/1.1`"));
        };
        self.is_http_10 = version == b"HTTP/1.0";
        if !is_token(method) {
            return Err(HeadError::Malformed("there is no such method"));
        }
        if target.len() > MAX_URI_SIZE {
            return Err(HeadError::UriTooLong);
        }
        // Pingora would escape them, and so hide from the registry what the client sent.
        if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(HeadError::Malformed(
                "the request target contains bytes that must be percent-encoded",
            ));
        }
        check_target(target)?;
        self.authority = authority(target).map(Box::from);
        match &self.authority {
            Some(authority) if authority.contains(&b'@') => Err(USER_IN_HOST),
            _ => Ok(()),
        }
    }

    /// What the request is for is said once. RFC 9112 section 3.2.2 lets a target that is a whole URL win; who looks at
    /// Host alone would see another request.
    fn host(&mut self, host: &[u8]) -> Result<(), HeadError> {
        self.hosts += 1;
        if self.hosts > 1 {
            return Err(HeadError::Malformed("a request names its host in one Host field"));
        }
        if host.contains(&b'@') {
            return Err(USER_IN_HOST);
        }
        match &self.authority {
            Some(authority) if **authority != *host => {
                Err(HeadError::Malformed("the request target and Host name different hosts"))
            }
            _ => Ok(()),
        }
    }

    /// What says how long the body is must say it once.
    fn framing(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if name.eq_ignore_ascii_case(b"content-length") {
            self.content_lengths += 1;
            let number = std::str::from_utf8(value)
                .ok()
                .and_then(|value| value.parse::<u64>().ok());
            if number.is_none() || !value.iter().all(u8::is_ascii_digit) {
                return Err(HeadError::Malformed("Content-Length is not a number"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.transfer_encodings += 1;
            if self.is_http_10 {
                return Err(HeadError::Malformed("HTTP/1.0 has no Transfer-Encoding"));
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadError::Malformed("the only Transfer-Encoding understood is chunked"));
            }
        }
        if self.content_lengths + self.transfer_encodings > 1 {
            return Err(HeadError::Malformed("the length of the body is given more than once"));
        }
        Ok(())
    }
}

const USER_IN_HOST: HeadError =
    HeadError::Malformed("the host has a user name in front, which belongs into Authorization");

/// What stands between `//` and the path, as it was written.
fn authority(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return None;
    }
    let start = memchr::memmem::find(target, b"://")? + 3;
    let rest = &target[start..];
    let end = rest.iter().position(|byte| b"/?#".contains(byte));
    Some(&rest[..end.unwrap_or(rest.len())])
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
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
            "GET http://a HTTP/1.1\r\nHost: a:80\r\n\r\n",
            "GET http://a?x HTTP/1.1\r\nHost: A\r\n\r\n",
        ] {
            assert!(
                matches!(scan(head), Progress::Refused(HeadError::Malformed(_))),
                "{head:?}: {:?}",
                scan(head)
            );
        }
        assert_eq!(
            scan("CONNECT a:443 HTTP/1.1\r\n\r\n"),
            Progress::Refused(HeadError::Connect)
        );
    }

    #[test]
    fn what_pingora_would_refuse_without_a_reason_is_refused_with_one() {
        for head in [
            "GET / HTTP/1.2\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/0.9\r\n\r\n",
            "GET / http/1.1\r\n\r\n",
            "GET / HTTP/1.1x\r\n\r\n",
            "GET / HTTP/11\r\n\r\n",
            " / HTTP/1.1\r\n\r\n",
            "G(T / HTTP/1.1\r\n\r\n",
            "G\u{e9}T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nX(y): a\r\n\r\n",
            "GET / HTTP/1.1\r\nX y: a\r\n\r\n",
            "GET / HTTP/1.1\r\nX\0: a\r\n\r\n",
            "GET / HTTP/1.1\r\nX\u{e9}: a\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\u{1}b\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\u{7f}b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: @\r\n\r\n",
            "GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n",
            "GET http://u@a/ HTTP/1.0\r\n\r\n",
        ] {
            assert!(
                matches!(scan(head), Progress::Refused(HeadError::Malformed(_))),
                "{head:?}: {:?}",
                scan(head)
            );
        }
        for head in [
            "GET / HTTP/1.0\r\n\r\n",
            "get / HTTP/1.1\r\nX: a\tb\u{e9}\r\n\r\n",
            "M-SEARCH * HTTP/1.1\r\nHost:\r\n!#$%&'*+-.^_`|~: \r\n\r\n",
            "GET http://a HTTP/1.1\r\nHost:  a \r\n\r\n",
            "GET http://a:1?x=u@b HTTP/1.1\r\nHost: a:1\r\n\r\n",
            "GET /x://u@b HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(scan(head), Progress::Complete(head.len()), "{head:?}");
        }
    }

    #[test]
    fn sizes_are_bounded_before_the_head_is_complete() {
        let uri = "a".repeat(MAX_URI_SIZE);
        assert_eq!(
            scan(&format!("GET /{uri} HTTP/1.1\r\n\r\n")),
            Progress::Refused(HeadError::UriTooLong)
        );
        assert_eq!(
            scan(&format!("GET /{uri}{uri}")),
            Progress::Refused(HeadError::UriTooLong)
        );
        assert_eq!(scan(&format!("GET /{} HTTP/1.1\r\n", &uri[1..])), Progress::Partial);
        let value = "a".repeat(MAX_HEAD_SIZE);
        assert_eq!(
            scan(&format!("GET / HTTP/1.1\r\nX: {value}")),
            Progress::Refused(HeadError::TooLarge)
        );
        assert_eq!(
            scan(&format!("GET / HTTP/1.1\r\nX: {value}\r\n\r\n")),
            Progress::Refused(HeadError::TooLarge)
        );
        for (fields, refused) in [(MAX_FIELDS, false), (MAX_FIELDS + 1, true), (97, true), (200, true)] {
            let fields = "X: a\r\n".repeat(fields);
            let scanned = scan(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
            assert_eq!(
                scanned == Progress::Refused(HeadError::TooManyFields),
                refused,
                "{scanned:?}"
            );
        }
    }
}
