//! Manifests: what is accepted is served as what it was accepted as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::oci::Manifest;

fuzz_target!(|content: &[u8]| {
    let served = Manifest::media_type_of(content);
    if let Ok(manifest) = Manifest::parse(content) {
        assert_eq!(served.ok(), Some(manifest.media_type));
    }
});
