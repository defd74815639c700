//! Blobs over HTTP: whole, in part, conditionally; handed off in three ways.

use lockgate_registry::Frontend;
use lockgate_testkit::{Answer, sha256, sha512};

use crate::harness::{OPEN, Served};

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
    for ignored in ["bytes=1-2,x", "chars=1-2", "bytes=x"] {
        assert_eq!(
            get(&served, &digest, &[("Range", ignored)]).expect(200).body,
            CONTENT,
            "{ignored}"
        );
    }
}

/// The parts of a `multipart/byteranges` answer: their `Content-Range` and content. The body must be nothing else.
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    answer.expect(206);
    assert_eq!(answer.header("content-range"), "");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let content_type = answer.header("content-type");
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("a boundary");
    let body = answer.body.iter().map(|byte| char::from(*byte)).collect::<String>();
    let body = format!("\r\n{body}");
    let body = body.strip_suffix(&format!("\r\n--{boundary}--\r\n")).expect("an end");
    let between = format!("\r\n--{boundary}\r\n");
    let parts = body.split(&between).skip(1);
    let part = |part: &str| {
        let (head, content) = part.split_once("\r\n\r\n").expect("a head");
        let range = head.strip_prefix("Content-Type: application/octet-stream\r\nContent-Range: ");
        let content = content.chars().map(|char| char as u8).collect();
        (range.expect("a range").to_owned(), content)
    };
    parts.map(part).collect()
}

#[test]
fn several_ranges_are_parts_of_one_answer() {
    let served = Served::open();
    let digest = served.push_blob("a/b", CONTENT);
    let answer = get(&served, &digest, &[("Range", "bytes=0-1, 4-5,-1")]);
    let part = |range: &str, content: &str| (format!("bytes {range}/10"), content.as_bytes().to_vec());
    assert_eq!(parts(&answer), [part("0-1", "01"), part("4-5", "45"), part("9-9", "9")]);
    assert_eq!(answer.header("etag"), format!("\"{digest}\""));
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(answer.header("accept-ranges"), "bytes");
    // In the order asked for; what touches or overlaps stays apart, what is not there is left out.
    let answer = get(&served, &digest, &[("Range", "bytes=6-7,0-1,1-2,10-")]);
    assert_eq!(
        parts(&answer),
        [part("6-7", "67"), part("0-1", "01"), part("1-2", "12")]
    );

    let one = get(&served, &digest, &[("Range", "bytes=10-,2-3")]);
    assert_eq!(
        (one.expect(206).header("content-range"), &one.body[..]),
        ("bytes 2-3/10", &b"23"[..])
    );
    let none = get(&served, &digest, &[("Range", "bytes=10-,20-30")]);
    assert_eq!(
        none.expect_error(416, "SIZE_INVALID").header("content-range"),
        "bytes */10"
    );
    // Longer together than the whole.
    for range in ["bytes=0-,0-", "bytes=0-5,4-9"] {
        assert_eq!(
            get(&served, &digest, &[("Range", range)]).expect(200).body,
            CONTENT,
            "{range}"
        );
    }
    let head = served.send(
        "HEAD",
        &format!("/v2/a/b/blobs/{digest}"),
        &[("Range", "bytes=0-1,4-5")],
        b"",
    );
    assert_eq!(
        (head.expect(200).header("content-length"), head.header("content-type")),
        ("10", "application/octet-stream")
    );
    let etag = format!("\"{digest}\"");
    let same = get(&served, &digest, &[("Range", "bytes=0-1,4-5"), ("If-Range", &etag)]);
    assert_eq!(parts(&same).len(), 2);
    get(
        &served,
        &digest,
        &[("Range", "bytes=0-1,4-5"), ("If-Range", "\"other\"")],
    )
    .expect(200);
}

#[test]
fn ranges_are_bounded_in_number() {
    let served = Served::open();
    let content: Vec<u8> = (0..1024 * 1024_u32).map(|at| (at % 251) as u8).collect();
    let digest = served.push_blob("a/b", &content);
    let ask = |count: usize| {
        let ranges: Vec<String> = (0..count)
            .map(|at| format!("{}-{}", at * 1000, at * 1000 + 9))
            .collect();
        get(&served, &digest, &[("Range", &format!("bytes={}", ranges.join(",")))])
    };
    // What containers/storage asks for at most.
    let parts = parts(&ask(1024));
    assert_eq!(parts.len(), 1024);
    for (number, (range, part)) in parts.iter().enumerate() {
        let first = number * 1000;
        assert_eq!(*range, format!("bytes {first}-{}/{}", first + 9, content.len()));
        assert_eq!(part, &content[first..first + 10]);
    }
    // It asks for fewer then.
    ask(1025).expect_error(400, "UNSUPPORTED");
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
    let served = Served::start(OPEN, Frontend::Lockgate, |_| {});
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
    let parts = get(&served, &digest, &[("Range", "bytes=2-4,-1")]);
    parts.expect(206);
    let content_type = parts.header("content-type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert_eq!(
        parts.header("x-lockgate-blob"),
        format!("multipart {boundary} 10 2-4,9-9 {path}")
    );
    assert_eq!(
        (parts.header("content-range"), parts.header("content-length")),
        ("", "0")
    );
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
    let served = Served::start(&yaml, Frontend::Other, |_| {});
    let digest = served.push_blob("a/b", CONTENT);
    let hex = digest.trim_start_matches("sha256:");
    // nginx cuts ranges itself.
    for range in ["bytes=2-4", "bytes=2-4,6-7"] {
        let answer = get(&served, &digest, &[("Range", range)]);
        answer.expect(200);
        assert_eq!(
            answer.header("x-accel-redirect"),
            format!("/blobs/sha256/{}/{hex}/data", &hex[..2])
        );
    }
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
    let served = Served::start(
        "storage: {filesystem: {rootdirectory: data}}\n",
        Frontend::Other,
        |_| {},
    );
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
    let location = begun.expect(202).location().to_owned();
    let wrong = sha512(b"other");
    let refused = served.send("PUT", &format!("{location}?digest={wrong}"), &[], CONTENT);
    refused.expect_error(400, "DIGEST_INVALID");
    let begun = served.send("POST", "/v2/a/b/blobs/uploads/?digest-algorithm=sha512", &[], b"");
    let put = served.send("PUT", &begun.location_with(&digest), &[], CONTENT);
    assert_eq!(put.expect(201).header("docker-content-digest"), digest);
    assert_eq!(get(&served, &digest, &[]).expect(200).body, CONTENT);
}
