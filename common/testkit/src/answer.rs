//! An HTTP answer, read whole.
//!
//! ```
//! # use lockgate_testkit::Answer;
//! let (answer, _) = Answer::parse(b"HTTP/1.1 202 Accepted\r\nRange: 0-9\r\n\r\n", "HEAD", true).unwrap();
//! assert_eq!(answer.expect(202).header("range"), "0-9");
//! ```

use serde_json::Value;

/// Status, header fields and body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names as they were sent, and trimmed values, in order.
    pub headers: Vec<(String, String)>,
    /// Without the framing of `Transfer-Encoding: chunked`.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first answer in `received` and how many bytes it takes; `None` while it is not whole. `method` is the
    /// request's: an answer to HEAD has no body. `ended` tells that nothing follows, which ends a body without a length
    /// (RFC 9112, section 6.3).
    pub fn parse(received: &[u8], method: &str, ended: bool) -> Option<(Self, usize)> {
        let (mut answer, head) = Self::parse_head(received)?;
        if method == "HEAD" || answer.status < 200 || matches!(answer.status, 204 | 304) {
            return Some((answer, head));
        }
        let rest = &received[head..];
        if answer.header("transfer-encoding") == "chunked" {
            let (body, length) = chunks(rest)?;
            answer.body = body;
            return Some((answer, head + length));
        }
        let length = match answer.header("content-length") {
            "" if !ended => return None,
            "" => rest.len(),
            length => length.parse().unwrap(),
        };
        answer.body = rest.get(..length)?.to_vec();
        Some((answer, head + length))
    }

    /// Status line and header fields alone, and how many bytes they take.
    pub fn parse_head(received: &[u8]) -> Option<(Self, usize)> {
        let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&received[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1);
        let status = status.and_then(|status| status.parse().ok());
        let headers = lines.map(|line| {
            line.split_once(':')
                .unwrap_or_else(|| panic!("no header field: {line:?}"))
        });
        let answer = Self {
            status: status.unwrap_or_else(|| panic!("no status line: {head:?}")),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
        };
        Some((answer, end + 4))
    }

    /// The only answer in `text`, which [`exchange`](crate::exchange) gave.
    pub fn of(text: &str) -> Self {
        let (answer, _) = Self::parse(text.as_bytes(), "GET", true).unwrap_or_else(|| panic!("no answer: {text:?}"));
        answer
    }

    /// The value of the first field of this name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.values(name).next().unwrap_or_default()
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The values of all fields of this name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let fields = self
            .headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str())
    }

    /// Path and query of `Location`, whether it is a path or a URL.
    pub fn location(&self) -> &str {
        let location = self.header("location");
        assert!(!location.is_empty(), "no Location in {self:?}");
        let Some((_, rest)) = location.split_once("://") else {
            return location;
        };
        &rest[rest.find('/').unwrap_or(rest.len())..]
    }

    /// [`location`](Self::location) of an upload, with the digest that ends it.
    pub fn location_with(&self, digest: &str) -> String {
        with_digest(self.location(), digest)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails with the body when the status is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Fails unless it is an error of this status and code, in the specification's form, with a message.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: &str) -> &Self {
        self.expect(status);
        assert_eq!(self.error_code(), code, "{self:?}");
        self
    }

    /// The code of an error in the specification's form; fails when it has no message, or is not marked as such.
    #[track_caller]
    pub fn error_code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        assert_eq!(
            self.header("docker-distribution-api-version"),
            "registry/2.0",
            "{self:?}"
        );
        let error = &self.json()["errors"][0];
        assert!(
            error["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{self:?}"
        );
        error["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The target of the PUT that ends the upload at `location`, which may have a query.
pub fn with_digest(location: &str, digest: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// A body in chunks, and how many bytes it takes; `None` while the last one is missing.
fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, whole) = (Vec::new(), rest.len());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&rest[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap_or_else(|error| panic!("{error}: {length:?}"));
        let data = rest.get(end + 2..end + 2 + length)?;
        rest = rest.get(end + 2 + length + 2..)?;
        if length == 0 {
            return Some((body, whole - rest.len()));
        }
        body.extend(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_framing_says_so() {
        for (method, received, ended, body) in [
            (
                "GET",
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                false,
                Some("abc"),
            ),
            (
                "GET",
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP",
                false,
                Some("abc"),
            ),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", true, None),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, Some("")),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n", false, Some("")),
            ("GET", "HTTP/1.1 200 OK\r\n\r\nabc", false, None),
            ("GET", "HTTP/1.0 200 OK\r\n\r\nabc", true, Some("abc")),
            (
                "GET",
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n",
                false,
                Some("0123456789a"),
            ),
            (
                "GET",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
                true,
                None,
            ),
            ("GET", "HTTP/1.1 200 OK\r\n", true, None),
        ] {
            let parsed = Answer::parse(received.as_bytes(), method, ended);
            let found = parsed.as_ref().map(|(answer, _)| answer.text());
            assert_eq!(found, body, "{received:?}");
            if let Some((_, length)) = parsed {
                assert!(
                    received[length..].is_empty() || &received[length..] == "HTTP",
                    "{received:?}"
                );
            }
        }
    }

    #[test]
    fn a_location_is_path_and_query_whatever_it_was() {
        for (location, expected) in [
            ("/v2/a?b=c", "/v2/a?b=c"),
            ("https://r.example:5000/v2/a?b=http://c", "/v2/a?b=http://c"),
        ] {
            let answer = Answer::of(&format!("HTTP/1.1 202 Accepted\r\nlocation: {location}\r\n\r\n"));
            assert_eq!(answer.location(), expected);
        }
        assert_eq!(with_digest("/a", "b"), "/a?digest=b");
        assert_eq!(with_digest("/a?c=d", "b"), "/a?c=d&digest=b");
    }
}
