//! Several pieces of one file in one answer: `multipart/byteranges`, RFC 9110 section 14.6.

use std::ops::Range;

use bytes::Bytes;

/// Parts of one answer at most; the registry's bound.
const PARTS: usize = 1024;

/// The parts of an answer, in order, as the registry names them: `<boundary> <size> <first>-<last>,...`. The registry
/// renders the same when it streams by itself (`registry/src/http/byteranges.rs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Multipart {
    boundary: String,
    size: u64,
    ranges: Vec<Range<u64>>,
}

impl Multipart {
    /// `None` unless it can be sent as it stands.
    pub(crate) fn parse(boundary: &str, size: &str, ranges: &str) -> Option<Self> {
        // RFC 2046 section 5.1.1: 70 characters at most.
        let is_plain = (1..=70).contains(&boundary.len()) && boundary.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let size: u64 = size.parse().ok().filter(|_| is_plain)?;
        let mut parts = Vec::new();
        for range in ranges.split(',') {
            let (first, last) = range.split_once('-')?;
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if first > last || last >= size || parts.len() == PARTS {
                return None;
            }
            parts.push(first..last + 1);
        }
        Some(Self {
            boundary: boundary.to_owned(),
            size,
            ranges: parts,
        })
    }

    /// Bytes of the file that it is about.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the body.
    pub(crate) fn length(&self) -> u64 {
        let parts = self
            .parts()
            .map(|(head, range)| head.len() as u64 + (range.end - range.start));
        parts.sum::<u64>() + self.tail().len() as u64
    }

    /// What comes before each part, and which bytes it has.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Bytes, Range<u64>)> {
        self.ranges.iter().enumerate().map(|(number, range)| {
            let line_end = if number == 0 { "" } else { "\r\n" };
            let head = format!(
                "{line_end}--{}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
                self.boundary,
                range.start,
                range.end - 1,
                self.size
            );
            (Bytes::from(head), range.clone())
        })
    }

    /// What comes after the last part.
    pub(crate) fn tail(&self) -> Bytes {
        Bytes::from(format!("\r\n--{}--\r\n", self.boundary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_a_body_of_the_length_told() {
        let multipart = Multipart::parse("B", "1000", "0-9,990-999").unwrap();
        let content = "0123456789";
        let mut body = Vec::new();
        for (head, range) in multipart.parts() {
            assert_eq!(range.end - range.start, 10);
            body.extend_from_slice(&head);
            body.extend_from_slice(content.as_bytes());
        }
        body.extend_from_slice(&multipart.tail());
        assert_eq!(multipart.length(), body.len() as u64);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-9/1000\r\n\r\n0123456789\
             \r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 990-999/1000\r\n\r\n0123456789\
             \r\n--B--\r\n"
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let long = "b".repeat(71);
        for (boundary, size, ranges) in [
            ("", "10", "0-1"),
            ("a\"b", "10", "0-1"),
            ("a\r\nb", "10", "0-1"),
            (long.as_str(), "10", "0-1"),
            ("b", "x", "0-1"),
            ("b", "-1", "0-1"),
            ("b", "10", ""),
            ("b", "10", "1"),
            ("b", "10", "0-1,"),
            ("b", "10", "2-1"),
            ("b", "10", "0-10"),
            ("b", "18446744073709551615", "0-18446744073709551615"),
        ] {
            assert_eq!(
                Multipart::parse(boundary, size, ranges),
                None,
                "{boundary} {size} {ranges}"
            );
        }
        let most = vec!["0-1"; PARTS].join(",");
        assert!(Multipart::parse("b", "10", &most).is_some());
        assert!(Multipart::parse("b", "10", &format!("{most},0-1")).is_none());
    }
}
