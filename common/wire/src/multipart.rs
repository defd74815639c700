//! Several pieces of one file in one answer: `multipart/byteranges`, RFC 9110 section 14.6. The registry decides what they
//! are; who streams the file, the registry or the proxy, sends them like this.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The parts of an answer, in order. As a text: `<boundary> <size> <first>-<last>,...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    boundary: String,
    size: u64,
    ranges: Vec<Range<u64>>,
}

impl Multipart {
    /// `ranges` of a file of `size` bytes, none of them empty. `boundary`: letters and digits that nobody can have written
    /// into the file.
    pub fn new(boundary: String, size: u64, ranges: Vec<Range<u64>>) -> Self {
        Self { boundary, size, ranges }
    }

    /// How many bytes the file has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Of the whole answer; each part has the file's own.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Bytes of the body.
    pub fn length(&self) -> u64 {
        self.checked_length().unwrap_or(u64::MAX)
    }

    fn checked_length(&self) -> Option<u64> {
        let mut parts = self
            .parts()
            .map(|(head, range)| (head.len() as u64).checked_add(range.end - range.start));
        parts.try_fold(self.tail().len() as u64, |sum, part| sum.checked_add(part?))
    }

    /// What comes before each part, and which bytes it has.
    pub fn parts(&self) -> impl Iterator<Item = (String, Range<u64>)> {
        (0..self.ranges.len()).filter_map(|number| self.part(number))
    }

    /// The same of one part; `None` after the last one.
    pub fn part(&self, number: usize) -> Option<(String, Range<u64>)> {
        let range = self.ranges.get(number)?;
        let line_end = if number == 0 { "" } else { "\r\n" };
        let head = format!(
            "{line_end}--{}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
            self.boundary,
            range.start,
            range.end - 1,
            self.size
        );
        Some((head, range.clone()))
    }

    /// What comes after the last part.
    pub fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

impl fmt::Display for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.boundary, self.size)?;
        for (number, range) in self.ranges.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{}-{}", range.start, range.end - 1)?;
        }
        Ok(())
    }
}

impl FromStr for Multipart {
    type Err = InvalidMultipart;

    /// Only what can be sent as it stands.
    fn from_str(text: &str) -> Result<Self, InvalidMultipart> {
        let mut words = text.splitn(3, ' ');
        let boundary = words
            .next()
            .filter(|boundary| is_boundary(boundary))
            .ok_or(InvalidMultipart)?;
        let size = words
            .next()
            .and_then(|size| size.parse().ok())
            .ok_or(InvalidMultipart)?;
        let ranges = words.next().ok_or(InvalidMultipart)?.split(',');
        let ranges: Option<_> = ranges.map(|range| parse_range(range, size)).collect();
        let multipart = Self::new(boundary.to_owned(), size, ranges.ok_or(InvalidMultipart)?);
        match multipart.checked_length() {
            Some(_) => Ok(multipart),
            None => Err(InvalidMultipart),
        }
    }
}

/// RFC 2046 section 5.1.1: 70 characters at most; of those allowed there, the plain ones.
fn is_boundary(text: &str) -> bool {
    (1..=70).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn parse_range(range: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < size).then(|| first..last + 1)
}

/// The text names no parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidMultipart;

impl fmt::Display for InvalidMultipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parts are written `<boundary> <size> <first>-<last>,...`")
    }
}

impl std::error::Error for InvalidMultipart {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_parts_make_a_body_of_the_length_told() {
        let multipart: Multipart = "B 1000 0-9,990-999".parse().unwrap();
        assert_eq!(multipart.content_type(), "multipart/byteranges; boundary=B");
        let mut body = String::new();
        for (head, range) in multipart.parts() {
            assert_eq!(range.end - range.start, 10);
            body += &format!("{head}0123456789");
        }
        body += &multipart.tail();
        assert_eq!(
            body,
            "--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-9/1000\r\n\r\n0123456789\
             \r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 990-999/1000\r\n\r\n0123456789\
             \r\n--B--\r\n"
        );
        assert_eq!(multipart.length(), body.len() as u64);
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let long = "b".repeat(71);
        for text in [
            "",
            "b",
            "b 10",
            "b 10 ",
            " 10 0-1",
            "a\"b 10 0-1",
            "a\r\nb 10 0-1",
            &format!("{long} 10 0-1"),
            "b x 0-1",
            "b -1 0-1",
            "b 10 1",
            "b 10 0-1,",
            "b 10 0-1, 3-4",
            "b 10 2-1",
            "b 10 0-10",
            "b 18446744073709551615 0-18446744073709551615",
            "b 18446744073709551615 0-18446744073709551613,0-18446744073709551613",
        ] {
            assert_eq!(text.parse::<Multipart>(), Err(InvalidMultipart), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ranges in prop::collection::vec((0..1000_u64, 1..1000_u64), 1..9)) {
            let ranges = ranges.into_iter().map(|(start, length)| start..start + length).collect();
            let multipart = Multipart::new("b0".to_owned(), 2000, ranges);
            prop_assert_eq!(multipart.to_string().parse(), Ok(multipart));
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = text.parse::<Multipart>();
        }
    }
}
