//! Which bytes of a blob a chunk holds, OCI distribution specification, "Pushing a blob in chunks".

use std::fmt;
use std::str::FromStr;

/// `first-last` of an upload's `Content-Range`, both included.
///
/// The specification writes `0-1023`. Clients also send RFC 9110's form, `bytes 0-1023/2048` or `bytes 0-1023/*`; its
/// total is not needed, since the closing request tells the digest of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    first: u64,
    last: u64,
}

impl ContentRange {
    /// Position of the first byte.
    pub fn first(self) -> u64 {
        self.first
    }

    /// How many bytes; never 0.
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

impl FromStr for ContentRange {
    type Err = InvalidContentRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || InvalidContentRange::Malformed(text.chars().take(80).collect());
        let range = text.trim();
        let range = match range.get(..5) {
            Some(unit) if unit.eq_ignore_ascii_case("bytes") => range[5..].trim_start_matches([' ', '=']),
            _ => range,
        };
        let range = range.split_once('/').map_or(range, |(range, _total)| range);
        let (first, last) = range.split_once('-').ok_or_else(malformed)?;
        let first = position(first).ok_or_else(malformed)?;
        let last = position(last).ok_or_else(malformed)?;
        if last < first {
            return Err(InvalidContentRange::Reversed { first, last });
        }
        Ok(Self { first, last })
    }
}

/// `1*DIGIT`, small enough that lengths do not overflow.
fn position(digits: &str) -> Option<u64> {
    let only_digits = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|n| only_digits && *n < u64::MAX)
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Why a text is no content range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContentRange {
    /// The value is not two numbers with a hyphen between them.
    #[error("`Content-Range` of a chunk is written first-last, for example 0-1023; `{0}` is not")]
    Malformed(String),
    /// It ends before it begins.
    #[error("`Content-Range` {first}-{last} ends before it begins")]
    Reversed {
        /// The position of its first byte.
        first: u64,
        /// The position of its last byte.
        last: u64,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_that_clients_send() {
        for text in ["5-9", "bytes 5-9/*", "bytes 5-9/10", "bytes=5-9", "bytes 5-9", " 5-9 "] {
            let range: ContentRange = text.parse().unwrap();
            assert_eq!((range.first(), range.length()), (5, 5), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "-",
            "5-",
            "-5",
            "a-b",
            "+5-9",
            "5--9",
            "bytes */10",
            "5,9",
            "0-18446744073709551615",
            "0-é",
        ] {
            let refused = text.parse::<ContentRange>();
            assert!(matches!(refused, Err(InvalidContentRange::Malformed(_))), "{text}");
        }
        assert_eq!(
            "9-5".parse::<ContentRange>(),
            Err(InvalidContentRange::Reversed { first: 9, last: 5 })
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(first in 0..u64::MAX / 2, length in 1..u64::MAX / 2) {
            let text = format!("{first}-{}", first + length - 1);
            let range: ContentRange = text.parse().unwrap();
            prop_assert_eq!((range.first(), range.length(), range.to_string()), (first, length, text));
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = text.parse::<ContentRange>();
        }
    }
}
