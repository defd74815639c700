//! `Range` and `Content-Range`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::oci::ContentRange;
use lockgate_fuzz::oci::range::{Selection, select};

fuzz_target!(|input: (u64, &str)| {
    let (size, text) = input;
    if let Selection::Part(part) = select(text, size) {
        assert!(part.start < part.end && part.end <= size);
    }
    if let Ok(range) = text.parse::<ContentRange>() {
        assert!(range.length() > 0 && range.first().checked_add(range.length()).is_some());
        assert_eq!(range.to_string().parse(), Ok(range));
    }
});
