//! Blobs over HTTP: whole, in part, conditionally; handed off in three ways.

use lockgate_registry::Front;

use crate::harness::{Answer, OPEN, Served, sha256, sha512};

const CONTENT: &[u8] = b"0123456789";

fn get(served: &Served, digest: &str, headers: &[(&str, &str)]) -> Answer {
    served.send("GET", &format!("/v2/a/b/blobs/{digest}"), headers, b"")
}

#[test]
fn a_blob_comes_back_whole_with_its_headers() {
    let served = Served::open();
    let digest = served.push_blob("a/b", CONTENT);
    let whole = get(&served, &digest, &[]);
    whole.expect(200);
    assert_eq!(whole.body, CONTENT);
    assert_eq!(whole.header("docker-content-digest"), digest);
    assert_eq!(whole.header("etag"), format!("\"{digest}\""));
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("docker-distribution-api-version"), "registry/2.0");

    let head = served.send("HEAD", &format!("/v2/a/b/blobs/{digest}"), &[], b"");
    head.expect(200);
    assert_eq!(head.header("content-length"), "10");
    assert_eq!(head.header("docker-content-digest"), digest);
    assert!(head.body.is_empty());
}

#[test]
fn ranges_are_parts() {
    let served = Served::open();
    let digest = served.push_blob("a/b", CONTENT);
    for (range, content_range, part) in [
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=0-99", "bytes 0-9/10", "0123456789"),
    ] {
        let answer = get(&served, &digest, &[("Range", range)]);
        answer.expect(206);
        assert_eq!(answer.header("content-range"), content_range, "{range}");
        assert_eq!(answer.body, part.as_bytes(), "{range}");
    }
    let outside = get(&served, &digest, &[("Range", "bytes=10-")]);
    outside.expect_error(416, "SIZE_INVALID");
    assert_eq!(outside.header("content-range"), "bytes */10");
    for ignored in ["bytes=1-2,4-5", "chars=1-2", "bytes=x"] {
        assert_eq!(
            get(&served, &digest, &[("Range", ignored)]).expect(200).body,
            CONTENT,
            "{ignored}"
        );
    }
}

#[test]
fn conditions_are_honoured() {
    let served = Served::open();
    let digest = served.push_blob("a/b", CONTENT);
    let etag = format!("\"{digest}\"");
    let unchanged = get(&served, &digest, &[("If-None-Match", &etag)]);
    unchanged.expect(304);
    assert!(unchanged.body.is_empty());
    assert_eq!(unchanged.header("etag"), etag);
    get(&served, &digest, &[("If-None-Match", "\"other\"")]).expect(200);
    get(&served, &digest, &[("Range", "bytes=0-0"), ("If-Range", &etag)]).expect(206);
    get(&served, &digest, &[("Range", "bytes=0-0"), ("If-Range", "\"other\"")]).expect(200);
}

#[test]
fn the_empty_blob_is_a_blob() {
    let served = Served::open();
    let digest = served.push_blob("a/b", b"");
    let whole = get(&served, &digest, &[]);
    whole.expect(200);
    assert_eq!(whole.header("content-length"), "0");
    get(&served, &digest, &[("Range", "bytes=0-")]).expect(416);
}

#[test]
fn behind_the_own_proxy_the_body_is_handed_off() {
    let served = Served::start(OPEN, Front::Lockgate, |_| {});
    let digest = served.push_blob("a/b", CONTENT);
    let hex = digest.trim_start_matches("sha256:");
    let path = format!("sha256/{}/{hex}/data", &hex[..2]);

    let whole = get(&served, &digest, &[]);
    whole.expect(200);
    assert_eq!(whole.header("x-lockgate-blob"), format!("0 10 {path}"));
    assert_eq!(whole.header("content-length"), "0");
    let part = get(&served, &digest, &[("Range", "bytes=2-4")]);
    part.expect(206);
    assert_eq!(part.header("x-lockgate-blob"), format!("2 3 {path}"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let head = served.send("HEAD", &format!("/v2/a/b/blobs/{digest}"), &[], b"");
    assert_eq!(
        (head.header("x-lockgate-blob"), head.header("content-length")),
        ("", "10")
    );
    let file = served.home.path().join("data/docker/registry/v2/blobs").join(path);
    assert_eq!(std::fs::read(file).unwrap(), CONTENT);
}

#[test]
fn behind_nginx_the_body_is_an_accel_redirect() {
    let yaml = format!("{OPEN}http: {{addr: 127.0.0.1:0, accel: /blobs/}}\n");
    let served = Served::start(&yaml, Front::Other, |_| {});
    let digest = served.push_blob("a/b", CONTENT);
    let hex = digest.trim_start_matches("sha256:");
    let answer = get(&served, &digest, &[("Range", "bytes=2-4")]);
    answer.expect(200);
    assert_eq!(
        answer.header("x-accel-redirect"),
        format!("/blobs/sha256/{}/{hex}/data", &hex[..2])
    );
}

#[test]
fn a_request_cannot_ask_for_a_hand_off() {
    let served = Served::open();
    let digest = served.push_blob("a/b", CONTENT);
    let answer = get(
        &served,
        &digest,
        &[("X-Lockgate-Blob", "0 10 x"), ("X-Accel-Redirect", "/x")],
    );
    assert_eq!(answer.expect(200).body, CONTENT);
    assert_eq!(
        (answer.header("x-lockgate-blob"), answer.header("x-accel-redirect")),
        ("", "")
    );
}

#[test]
fn a_blob_belongs_to_its_repository() {
    let served = Served::open();
    let digest = served.push_blob("a/b", CONTENT);
    served
        .get(&format!("/v2/other/blobs/{digest}"))
        .expect_error(404, "BLOB_UNKNOWN");
    get(&served, &sha256(b"unknown"), &[]).expect_error(404, "BLOB_UNKNOWN");
    get(&served, "sha256:short", &[]).expect_error(400, "DIGEST_INVALID");
    get(&served, "md5:d41d8cd98f00b204e9800998ecf8427e", &[]).expect_error(400, "DIGEST_INVALID");
}

#[test]
fn a_deleted_blob_is_gone_from_its_repository() {
    let served = Served::open();
    let digest = served.push_blob("a/b", CONTENT);
    let path = format!("/v2/a/b/blobs/{digest}");
    served.send("DELETE", &path, &[], b"").expect(202);
    served.get(&path).expect_error(404, "BLOB_UNKNOWN");
    served.send("DELETE", &path, &[], b"").expect_error(404, "BLOB_UNKNOWN");
}

#[test]
fn deletes_are_refused_unless_enabled() {
    let served = Served::start("storage: {filesystem: {rootdirectory: data}}\n", Front::Other, |_| {});
    let digest = served.push_blob("a/b", CONTENT);
    served
        .send("DELETE", &format!("/v2/a/b/blobs/{digest}"), &[], b"")
        .expect_error(405, "UNSUPPORTED");
    get(&served, &digest, &[]).expect(200);
}

#[test]
fn sha512_is_verified_and_served() {
    let served = Served::open();
    let digest = sha512(CONTENT);
    let begun = served.send("POST", "/v2/a/b/blobs/uploads/?digest-algorithm=sha512", &[], b"");
    let location = begun.expect(202).header("location").to_owned();
    let wrong = sha512(b"other");
    let refused = served.send("PUT", &format!("{location}?digest={wrong}"), &[], CONTENT);
    refused.expect_error(400, "DIGEST_INVALID");
    let begun = served.send("POST", "/v2/a/b/blobs/uploads/?digest-algorithm=sha512", &[], b"");
    let put = served.send(
        "PUT",
        &format!("{}?digest={digest}", begun.header("location")),
        &[],
        CONTENT,
    );
    assert_eq!(put.expect(201).header("docker-content-digest"), digest);
    assert_eq!(get(&served, &digest, &[]).expect(200).body, CONTENT);
}
