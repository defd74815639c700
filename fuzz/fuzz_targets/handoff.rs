//! Hand-offs of blobs: what is accepted is written as something that means the same, and its length can be told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_wire::{Handoff, HandoffContent};

fuzz_target!(|text: &str| {
    let Ok(handoff) = text.parse::<Handoff>() else {
        return;
    };
    assert_eq!(handoff.to_string().parse(), Ok(handoff.clone()));
    match handoff.content() {
        HandoffContent::Range(range) => assert_eq!(range.start + handoff.length(), range.end),
        HandoffContent::Parts(multipart) => {
            let parts = multipart.parts().map(|(head, range)| {
                assert!(range.start < range.end && range.end <= multipart.size());
                head.len() as u64 + (range.end - range.start)
            });
            assert_eq!(handoff.length(), parts.sum::<u64>() + multipart.tail().len() as u64);
        }
    }
});
