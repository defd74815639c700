//! The hand-off of a blob's body: the registry writes it into [`headers::BLOB`](crate::headers::BLOB), the proxy reads it.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::multipart::Multipart;

/// How a hand-off of several ranges begins. No offset does.
const MULTIPART: &str = "multipart";

/// Which bytes of which file are the body of an answer. As a text: `<offset> <length> <path>`, or
/// `multipart <boundary> <size> <first>-<last>,... <path>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    content: HandoffContent,
    path: String,
}

/// The bytes that a [`Handoff`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandoffContent {
    /// One piece of the file, perhaps all of it.
    Range(Range<u64>),
    /// Several pieces, as `multipart/byteranges`.
    Parts(Multipart),
}

impl Handoff {
    /// `path` is relative to the blob root, with `/` between its components.
    pub fn new(content: HandoffContent, path: String) -> Self {
        Self { content, path }
    }

    /// Which bytes are sent.
    pub fn content(&self) -> &HandoffContent {
        &self.content
    }

    /// Bytes of the body.
    pub fn length(&self) -> u64 {
        match &self.content {
            HandoffContent::Range(range) => range.end - range.start,
            HandoffContent::Parts(multipart) => multipart.length(),
        }
    }

    /// The bytes and the path, which may lead anywhere: who opens it sees to it that it stays below the blob root.
    pub fn into_content_and_path(self) -> (HandoffContent, String) {
        (self.content, self.path)
    }
}

impl fmt::Display for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            HandoffContent::Range(range) => write!(f, "{} {} {}", range.start, range.end - range.start, self.path),
            HandoffContent::Parts(multipart) => write!(f, "{MULTIPART} {multipart} {}", self.path),
        }
    }
}

impl FromStr for Handoff {
    type Err = InvalidHandoff;

    fn from_str(text: &str) -> Result<Self, InvalidHandoff> {
        let parsed = match text.strip_prefix(MULTIPART).and_then(|rest| rest.strip_prefix(' ')) {
            Some(parts) => parse_parts(parts),
            None => parse_range(text),
        };
        match parsed {
            Some((content, path)) if !path.is_empty() => Ok(Self::new(content, path.to_owned())),
            _ => Err(InvalidHandoff(text.to_owned())),
        }
    }
}

fn parse_range(text: &str) -> Option<(HandoffContent, &str)> {
    let (offset, rest) = text.split_once(' ')?;
    let (length, path) = rest.split_once(' ')?;
    let (offset, length): (u64, u64) = (offset.parse().ok()?, length.parse().ok()?);
    Some((HandoffContent::Range(offset..offset.checked_add(length)?), path))
}

fn parse_parts(text: &str) -> Option<(HandoffContent, &str)> {
    let (end, _) = text.match_indices(' ').nth(2)?;
    Some((HandoffContent::Parts(text[..end].parse().ok()?), &text[end + 1..]))
}

/// A text that is no [`Handoff`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHandoff(String);

impl fmt::Display for InvalidHandoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a hand-off is `<offset> <length> <path>` or `multipart <boundary> <size> <first>-<last>,... <path>`, not {:?}",
            self.0
        )
    }
}

impl std::error::Error for InvalidHandoff {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "sha256/aa/aa bb/data";

    #[test]
    fn the_header_is_read_strictly() {
        let range = Handoff::new(HandoffContent::Range(3..8), FILE.to_owned());
        assert_eq!("3 5 sha256/aa/aa bb/data".parse(), Ok(range));
        let parts = HandoffContent::Parts("b0 9 0-1,8-8".parse().unwrap());
        assert_eq!(
            "multipart b0 9 0-1,8-8 sha256/aa/aa bb/data".parse(),
            Ok(Handoff::new(parts, FILE.to_owned()))
        );
        for header in [
            "",
            "3",
            "3 5",
            "3 5 ",
            "-1 5 a",
            "a 5 a",
            "3 b a",
            "18446744073709551615 1 a",
            "multipart",
            "multipart b 9 0-1",
            "multipart b 9 0-1 ",
            "multipart b 9 0-1,9-9 a",
            "multipart b 9  a",
            "multipart  9 0-1 a",
            "multipartb 9 0-1 a",
        ] {
            assert!(header.parse::<Handoff>().is_err(), "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(start in 0..u64::MAX / 2, length in 0..u64::MAX / 2, path in "[a-z0-9/ ]{1,40}") {
            let handoff = Handoff::new(HandoffContent::Range(start..start + length), path);
            prop_assert_eq!(handoff.length(), length);
            prop_assert_eq!(handoff.to_string().parse(), Ok(handoff));
        }
    }
}
