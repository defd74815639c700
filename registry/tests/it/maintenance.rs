//! What runs beside the requests of a registry that serves: the storage's health, abandoned uploads.

use lockgate_registry::Frontend;
use lockgate_testkit::{Answer, eventually, sha256};

use crate::harness::{OPEN, Served};

/// Asks `path` until it answers `status`.
fn until(served: &Served, path: &str, status: u16) -> Answer {
    eventually(&format!("{status} of {path}"), || {
        Some(served.get(path)).filter(|answer| answer.status == status)
    })
}

// proves: HOMELAB-07
#[test]
fn a_volume_that_goes_away_is_503_until_it_is_back() {
    let yaml = format!("{OPEN}health: {{storagedriver: {{enabled: true, interval: 10ms, threshold: 3}}}}\n");
    let served = Served::start(&yaml, Frontend::Other, |_| {});
    let (_, manifest) = served.push_image("a/b", "v1", b"layer");
    served.get("/readyz").expect(200);

    let volume = served.home.path().join("data/docker");
    let elsewhere = served.home.path().join("elsewhere");
    std::fs::rename(&volume, &elsewhere).unwrap();
    let refused = until(&served, "/readyz", 503);
    refused.expect_error(503, "UNAVAILABLE");
    assert_eq!(refused.header("retry-after"), "10");
    for path in ["/v2/", "/v2/_catalog", "/v2/a/b/manifests/v1"] {
        served.get(path).expect_error(503, "UNAVAILABLE");
    }
    served
        .send("POST", "/v2/a/b/blobs/uploads/", &[], b"")
        .expect_error(503, "UNAVAILABLE");
    served.get("/healthz").expect(200);

    std::fs::rename(&elsewhere, &volume).unwrap();
    until(&served, "/readyz", 200);
    assert_eq!(served.get("/v2/a/b/manifests/v1").expect(200).body, manifest);
}

#[test]
fn without_a_health_check_readyz_looks_when_it_is_asked() {
    let served = Served::start(OPEN, Frontend::Other, |_| {});
    served.get("/readyz").expect(200);
    let volume = served.home.path().join("data/docker");
    let elsewhere = served.home.path().join("elsewhere");
    std::fs::rename(&volume, &elsewhere).unwrap();
    until(&served, "/readyz", 503).expect_error(503, "UNAVAILABLE");
    // As in distribution, the API is refused only where the check is enabled.
    served.get("/v2/").expect(200);
    std::fs::rename(&elsewhere, &volume).unwrap();
    until(&served, "/readyz", 200);
}

#[test]
fn readyz_tells_at_once_what_the_health_check_has_not_seen_yet() {
    let yaml = format!("{OPEN}health: {{storagedriver: {{enabled: true, interval: 1h, threshold: 3}}}}\n");
    let served = Served::start(&yaml, Frontend::Other, |_| {});
    assert!(served.get("/readyz").expect(200).body.is_empty());
    let volume = served.home.path().join("data/docker");
    let elsewhere = served.home.path().join("elsewhere");
    std::fs::rename(&volume, &elsewhere).unwrap();
    until(&served, "/readyz", 503).expect_error(503, "UNAVAILABLE");
    std::fs::rename(&elsewhere, &volume).unwrap();
    until(&served, "/readyz", 200);
}

// proves: MAKINA-14
#[test]
fn an_abandoned_upload_is_removed_and_a_young_one_goes_on() {
    let yaml = "storage: {filesystem: {rootdirectory: data}, maintenance: {uploadpurging: {enabled: true, age: 168h, interval: 1s}}}\n";
    let served = Served::start(yaml, Frontend::Other, |_| {});
    let begin = || {
        let begun = served.send("POST", "/v2/a/b/blobs/uploads/", &[], b"");
        let location = begun.expect(202).location().to_owned();
        served.send("PATCH", &location, &[], b"first ").expect(202);
        (location, begun.header("docker-upload-uuid").to_owned())
    };
    let ((old, id), (young, _)) = (begin(), begin());
    let uploads = served
        .home
        .path()
        .join("data/docker/registry/v2/repositories/a/b/_uploads");
    std::fs::write(uploads.join(&id).join("startedat"), "2020-02-02T02:02:02Z").unwrap();

    until(&served, &old, 404).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    assert!(!uploads.join(&id).exists(), "its bytes are gone too");
    assert_eq!(served.get(&young).expect(204).header("range"), "0-5");
    let put = format!("{young}?digest={}", sha256(b"first last"));
    served.send("PUT", &put, &[], b"last").expect(201);
}
