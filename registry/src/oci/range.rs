//! Which bytes a GET asks for, RFC 9110 section 14.

use std::ops;
use std::str::FromStr;

/// Ranges of one request at most. containers/storage (podman, CRI-O, bootc) asks for 1024 at once; told 400, it asks for
/// fewer, as stargz-snapshotter does.
pub const MAX_RANGES: usize = 1024;

/// One `a-b`, `a-` or `-n` of a request, its bounds as the client wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteRange {
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
    /// Two pieces or more, in the order asked for: 206, `multipart/byteranges`. Together they are not longer than the whole.
    Parts(Vec<ops::Range<u64>>),
    /// None of them exist: 416.
    Unsatisfiable,
    /// More than [`MAX_RANGES`]: 400.
    TooMany,
}

/// Decides from a request's `Range` what of a representation of `size` bytes is sent.
///
/// Ignored, as RFC 9110 section 14.2 allows: a malformed range, one of another unit, and several that are longer together
/// than the whole, as those of Go's `net/http` and of nginx. Ranges are not joined, not even adjacent ones:
/// containers/image takes the first part for the first range that it asked for, and fails unless each has its own.
pub fn select(range: &str, size: u64) -> Selection {
    let Ok(ranges) = parse(range) else {
        return Selection::Whole;
    };
    if ranges.len() > MAX_RANGES {
        return Selection::TooMany;
    }
    let mut parts: Vec<_> = ranges.iter().filter_map(|range| range.resolve(size)).collect();
    let total = parts
        .iter()
        .try_fold(0_u64, |total, part| total.checked_add(part.end - part.start));
    match parts.len() {
        0 => Selection::Unsatisfiable,
        1 => Selection::Part(parts.remove(0)),
        _ if total.is_none_or(|total| total > size) => Selection::Whole,
        _ => Selection::Parts(parts),
    }
}

/// `bytes=` and a list; empty members of a list are skipped (RFC 9110 section 5.6.1.2).
fn parse(range: &str) -> Result<Vec<ByteRange>, InvalidRange> {
    let (unit, set) = range.trim().split_once('=').ok_or(InvalidRange)?;
    if !unit.trim_end().eq_ignore_ascii_case("bytes") {
        return Err(InvalidRange);
    }
    let members = set.split(',').map(|member| member.trim_matches([' ', '\t']));
    let ranges: Vec<_> = members
        .filter(|member| !member.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    if ranges.is_empty() {
        Err(InvalidRange)
    } else {
        Ok(ranges)
    }
}

impl ByteRange {
    /// The bytes meant, in a representation of `size` bytes; `None` when there are none.
    fn resolve(self, size: u64) -> Option<ops::Range<u64>> {
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
        match text.split_once('-').ok_or(InvalidRange)? {
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

/// The text is no list of byte ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InvalidRange;

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
            "bytes=,",
            "bytes=1-2,x",
            "bytes=1-2;4-5",
            "bytes=1-2 4-5",
            "bytes=1 - 2",
            "bytes=1-2,bytes=4-5",
            "items=0-1",
            "items=0-1,4-5",
            "bytes=+1-2",
            "bytes=1--2",
            "0-1",
        ] {
            assert_eq!(select(range, 2048), Selection::Whole, "{range}");
        }
    }

    #[test]
    fn several_ranges_are_parts_in_the_order_asked_for() {
        for (range, parts) in [
            ("bytes=0-1,4-5", vec![0..2, 4..6]),
            ("bytes=0-1, 4-5 ,\t8-9", vec![0..2, 4..6, 8..10]),
            ("bytes=,0-1,,4-5,", vec![0..2, 4..6]),
            ("bytes=8-,0-1,-1", vec![8..10, 0..2, 9..10]),
            // Adjacent and overlapping ones stay apart: a client counts the parts.
            ("bytes=0-1,2-3", vec![0..2, 2..4]),
            ("bytes=0-4,2-6", vec![0..5, 2..7]),
            ("bytes=0-4,5-99", vec![0..5, 5..10]),
            // What is not there is left out.
            ("bytes=0-1,10-20,4-5,-0", vec![0..2, 4..6]),
        ] {
            assert_eq!(select(range, 10), Selection::Parts(parts), "{range}");
        }
    }

    #[test]
    fn of_several_ranges_one_may_be_left_or_none() {
        assert_eq!(select("bytes=10-,2-3,20-30", 10), Selection::Part(2..4));
        assert_eq!(select("bytes=2-3,", 10), Selection::Part(2..4));
        assert_eq!(select("bytes=10-,20-30,-0,5-4", 10), Selection::Unsatisfiable);
        assert_eq!(select("bytes=0-0,0-0", 0), Selection::Unsatisfiable);
    }

    #[test]
    fn ranges_that_are_longer_than_the_whole_get_the_whole() {
        for range in ["bytes=0-,0-", "bytes=0-,0-0", "bytes=0-5,5-9", "bytes=-10,-1"] {
            assert_eq!(select(range, 10), Selection::Whole, "{range}");
        }
        assert_eq!(select("bytes=0-,-1", u64::MAX), Selection::Whole);
    }

    #[test]
    fn ranges_are_bounded_in_number() {
        let list = |count: u64| {
            let ranges: Vec<String> = (0..count).map(|at| format!("{0}-{0}", at * 2)).collect();
            format!("bytes={}", ranges.join(","))
        };
        let most = MAX_RANGES as u64;
        match select(&list(most), most * 10) {
            Selection::Parts(parts) => assert_eq!(parts.len(), MAX_RANGES),
            other => panic!("{other:?}"),
        }
        assert_eq!(select(&list(most + 1), most * 10), Selection::TooMany);
        // Those that do not exist count as well.
        assert_eq!(select(&list(most + 1), 1), Selection::TooMany);
    }

    /// What holds for whatever is selected.
    fn check(range: &str, size: u64) {
        match select(range, size) {
            Selection::Part(part) => assert!(part.start < part.end && part.end <= size),
            Selection::Parts(parts) => {
                assert!((2..=MAX_RANGES).contains(&parts.len()));
                assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
                assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
            }
            Selection::Whole | Selection::Unsatisfiable | Selection::TooMany => {}
        }
    }

    proptest! {
        #[test]
        fn parts_are_never_empty_never_outside_and_never_more_than_the_whole(
            ranges in prop::collection::vec("[0-9]{0,21}-[0-9]{0,21}", 1..5), size: u64
        ) {
            check(&format!("bytes={}", ranges.join(",")), size);
        }

        #[test]
        fn small_parts_neither(ranges in prop::collection::vec("[0-9]{0,2}-[0-9]{0,2}", 1..5), size in 0_u64..120) {
            check(&format!("bytes={}", ranges.join(",")), size);
        }

        #[test]
        fn any_text_is_answered(range in ".*", size: u64) {
            let _ = select(&range, size);
        }
    }
}
