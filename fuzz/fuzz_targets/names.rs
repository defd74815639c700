//! Digests, names, tags, references and media types: what is accepted is printed as it was written.
#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::oci::{Digest, MediaType, Reference, RepositoryName, Tag};

fuzz_target!(|text: &str| {
    prints_back::<Digest>(text);
    prints_back::<RepositoryName>(text);
    prints_back::<Tag>(text);
    prints_back::<Reference>(text);
    // Parameters are dropped, so what is printed may be less; it means the same.
    if let Ok(media_type) = text.parse::<MediaType>() {
        assert_eq!(media_type.to_string().parse(), Ok(media_type));
    }
});

fn prints_back<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}
