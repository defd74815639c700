//! Manifests of the largest size, whose layers nobody has: answers stay short, and so does what the registry keeps.

use lockgate_testkit::process::memory_kib;
use lockgate_testkit::{Answer, own_process, sha256};

use crate::harness::Served;

const SIZE: usize = 4 * 1024 * 1024;
const AT_ONCE: usize = 16;
/// What the registry may hold more, after sixteen at once, than before: buffers, and what the allocator keeps.
const KEPT_KIB: u64 = 64 * 1024;
/// What it may hold more at any moment: the sixteen bodies, and one of them read.
const PEAK_KIB: u64 = 192 * 1024;

/// As many layers as a manifest of [`SIZE`] bytes can name.
const MOST: usize = (SIZE - 130) / (r#"{"digest":"sha256:"},"#.len() + 64);

/// A manifest with as many `layers`, none of which anybody has.
fn with_unknown_layers(served: &Served, layers: usize, seed: &str) -> Vec<u8> {
    let config = served.push_blob("a/b", b"{}");
    let digest = sha256(seed.as_bytes());
    let layers: Vec<String> = (0..layers)
        .map(|number| format!(r#"{{"digest":"{}{number:08x}"}}"#, &digest[..digest.len() - 8]))
        .collect();
    let layers = layers.join(",");
    format!(r#"{{"schemaVersion":2,"config":{{"digest":"{config}"}},"layers":[{layers}]}}"#).into_bytes()
}

fn put(served: &Served, manifest: &[u8]) -> Answer {
    served.put_manifest("a/b", "latest", manifest)
}

#[test]
fn ten_unknown_layers_are_named_and_the_others_counted() {
    let served = Served::open();
    for layers in [1, 9, 10, 11, 12, MOST] {
        let manifest = with_unknown_layers(&served, layers, "layer");
        assert!(layers < MOST || (SIZE - 200..=SIZE).contains(&manifest.len()));
        let answer = put(&served, &manifest);
        answer.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        assert_eq!(errors.len(), layers.min(10), "{layers} layers");
        let others = layers.checked_sub(10).filter(|others| *others > 0);
        for (number, error) in errors.iter().enumerate() {
            let digest = error["detail"]["digest"].as_str().unwrap();
            assert!(String::from_utf8_lossy(&manifest).contains(digest), "{error}");
            // The last one tells.
            let others = others.filter(|_| number == 9);
            let told = error["detail"]["others"].as_u64().map(|others| others as usize);
            assert_eq!(told, others, "{error}");
            let message = error["message"].as_str().unwrap();
            let count = others.map_or("others".to_owned(), |others| format!("; {others} others are"));
            assert_eq!(message.contains(&count), others.is_some(), "{message}");
        }
        assert!(answer.body.len() < 4096, "{} bytes", answer.body.len());
    }
}

#[test]
fn what_is_wrong_is_quoted_in_part() {
    let served = Served::open();
    let config = served.push_blob("a/b", b"{}");
    let long = "x".repeat(SIZE - 1000);
    let nondistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    for manifest in [
        format!(r#"{{"schemaVersion":2,"config":{{"digest":"{long}"}}}}"#),
        format!(r#"{{"schemaVersion":2,"config":{{"digest":"{long}:{long}"}}}}"#).replace("xx", "x"),
        format!(r#"{{"schemaVersion":2,"mediaType":"{long}","config":{{"digest":"{config}"}}}}"#),
        format!(r#"{{"schemaVersion":"{long}","config":{{"digest":"{config}"}}}}"#),
        format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{config}"}},"layers":[{{"mediaType":"{nondistributable}","digest":"{config}","urls":["ftp://{long}"]}}]}}"#
        ),
    ] {
        let answer = put(&served, manifest.as_bytes());
        answer.expect_error(400, "MANIFEST_INVALID");
        assert!(answer.body.len() < 4096, "{} bytes", answer.body.len());
    }
}

/// Runs [`sixteen_large_manifests`] in a process of its own, whose memory is then the registry's and a client's.
#[test]
fn sixteen_large_manifests_at_once_leave_no_memory_behind() {
    own_process::run("api_large_manifests::sixteen_large_manifests", &[]);
}

#[test]
#[ignore = "measures the whole process; run by sixteen_large_manifests_at_once_leave_no_memory_behind"]
fn sixteen_large_manifests() {
    let served = Served::open();
    let manifests: Vec<Vec<u8>> = (0..AT_ONCE)
        .map(|number| with_unknown_layers(&served, MOST, &number.to_string()))
        .collect();
    put(&served, &with_unknown_layers(&served, 20, "small")).expect(400);
    let before = memory_kib("self", "VmRSS");
    std::thread::scope(|scope| {
        for manifest in &manifests {
            scope.spawn(|| {
                put(&served, manifest)
                    .expect_error(400, "MANIFEST_BLOB_UNKNOWN")
                    .body
                    .len()
            });
        }
    });
    let (kept, peak) = (
        memory_kib("self", "VmRSS") - before,
        memory_kib("self", "VmHWM") - before,
    );
    println!("{kept} KiB are kept, {peak} KiB were held at most");
    assert!(peak < PEAK_KIB, "{peak} KiB more than before were held");
    assert!(kept < KEPT_KIB, "{kept} KiB more than before are kept");
}
