//! Which bytes a GET asks for, RFC 9110 section 14.

use std::ops;
use std::str::FromStr;

/// One `Range: bytes=...` of a request, its bounds as the client wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// `a-b`, both included.
    Closed(u64, u64),
    /// `a-`
    From(u64),
    /// `-n`: the last `n` bytes.
    Last(u64),
}

/// What a GET with a `Range` is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of it: 200.
    Whole,
    /// These bytes: 206.
    Part(ops::Range<u64>),
    /// None of them exist: 416.
    Unsatisfiable,
}

/// Decides from a request's `Range` what of a representation of `size` bytes is sent.
///
/// A range that is malformed, of another unit, or one of several is ignored, as RFC 9110 section 14.2 allows.
pub fn select(range: &str, size: u64) -> Selection {
    match range.parse::<ByteRange>() {
        Ok(range) => range.resolve(size).map_or(Selection::Unsatisfiable, Selection::Part),
        Err(InvalidRange) => Selection::Whole,
    }
}

impl ByteRange {
    /// The bytes meant, in a representation of `size` bytes; `None` when there are none.
    pub fn resolve(self, size: u64) -> Option<ops::Range<u64>> {
        let range = match self {
            // A last byte before the first is answered as unsatisfiable, not ignored: section 14.2 leaves the choice,
            // and the OCI conformance suite asks for 416.
            Self::Closed(first, last) => first..last.saturating_add(1).min(size),
            Self::From(first) => first..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

impl FromStr for ByteRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (unit, set) = text.trim().split_once('=').ok_or(InvalidRange)?;
        let (first, last) = set.trim().split_once('-').ok_or(InvalidRange)?;
        if !unit.trim_end().eq_ignore_ascii_case("bytes") {
            return Err(InvalidRange);
        }
        match (first, last) {
            ("", last) => Ok(Self::Last(position(last)?)),
            (first, "") => Ok(Self::From(position(first)?)),
            (first, last) => Ok(Self::Closed(position(first)?, position(last)?)),
        }
    }
}

/// `1*DIGIT`; Rust's own parser would take a `+` as well. A number beyond 64 bits is past the end of anything.
fn position(digits: &str) -> Result<u64, InvalidRange> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidRange);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

/// The text is no single byte range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a byte range is written bytes=first-last, bytes=first- or bytes=-count")]
pub struct InvalidRange;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn satisfiable_ranges_are_parts() {
        for (range, size, part) in [
            ("bytes=0-499", 2048, 0..500),
            ("bytes=500-1499", 2048, 500..1500),
            ("bytes=500-", 2048, 500..2048),
            ("bytes=-500", 2048, 1548..2048),
            ("bytes=2000-5000", 2048, 2000..2048),
            ("bytes=-5000", 2048, 0..2048),
            ("Bytes = 0-0", 2048, 0..1),
            ("bytes=0-99999999999999999999999", 2048, 0..2048),
        ] {
            assert_eq!(select(range, size), Selection::Part(part), "{range}");
        }
    }

    #[test]
    fn ranges_outside_are_unsatisfiable() {
        for (range, size) in [
            ("bytes=500-0", 2048),
            ("bytes=5000-10000", 2048),
            ("bytes=2048-", 2048),
            ("bytes=-0", 2048),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
        ] {
            assert_eq!(select(range, size), Selection::Unsatisfiable, "{range} of {size}");
        }
    }

    #[test]
    fn other_ranges_are_ignored() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "items=0-1",
            "bytes=+1-2",
            "bytes=1--2",
            "0-1",
        ] {
            assert_eq!(select(range, 2048), Selection::Whole, "{range}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_outside(range in "bytes=[0-9]{0,21}-[0-9]{0,21}", size: u64) {
            if let Selection::Part(part) = select(&range, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn any_text_is_answered(range in ".*", size: u64) {
            let _ = select(&range, size);
        }
    }
}
