//! `Range` and `Content-Range`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::oci::ContentRange;
use lockgate_fuzz::oci::range::{MAX_RANGES, Selection, select};

fuzz_target!(|input: (u64, &str)| {
    let (size, text) = input;
    let parts = match select(text, size) {
        Selection::Part(part) => vec![part],
        Selection::Parts(parts) => parts,
        Selection::Whole | Selection::Unsatisfiable | Selection::TooMany => Vec::new(),
    };
    assert!(parts.len() <= MAX_RANGES);
    assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
    assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
    if let Ok(range) = text.parse::<ContentRange>() {
        assert!(range.length() > 0 && range.first().checked_add(range.length()).is_some());
        assert_eq!(range.to_string().parse(), Ok(range));
    }
});
