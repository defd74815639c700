//! Uploads over HTTP: every way to push a blob, and every way to get it wrong.

use std::io::Write as _;

use lockgate_registry::Frontend;
use lockgate_testkit::{Answer, sha256};

use crate::harness::{OPEN, Served};

const START: &str = "/v2/a/b/blobs/uploads/";

fn begin(served: &Served) -> String {
    let begun = served.send("POST", START, &[], b"");
    begun.expect(202);
    assert_eq!(begun.header("range"), "0-0");
    assert!(begun.header("location").ends_with(begun.header("docker-upload-uuid")));
    begun.location().to_owned()
}

fn patch(served: &Served, location: &str, range: Option<&str>, piece: &[u8]) -> Answer {
    let headers: Vec<(&str, &str)> = range.map(|range| ("Content-Range", range)).into_iter().collect();
    served.send("PATCH", location, &headers, piece)
}

#[test]
fn chunks_follow_on() {
    let served = Served::open();
    let location = begin(&served);
    let first = patch(&served, &location, Some("0-4"), b"01234");
    assert_eq!(first.expect(202).header("range"), "0-4");
    let second = patch(&served, first.header("location"), Some("5-7"), b"567");
    assert_eq!(second.expect(202).header("range"), "0-7");
    let status = served.get(second.location());
    assert_eq!(status.expect(204).header("range"), "0-7");
    let digest = sha256(b"0123456789");
    let put = served.send(
        "PUT",
        &format!("{location}?digest={digest}"),
        &[("Content-Range", "8-9")],
        b"89",
    );
    assert_eq!(put.expect(201).header("location"), format!("/v2/a/b/blobs/{digest}"));
    assert_eq!(served.get(put.location()).expect(200).body, b"0123456789");
}

#[test]
fn a_chunk_elsewhere_is_refused_with_the_offset() {
    let served = Served::open();
    let location = begin(&served);
    patch(&served, &location, Some("0-4"), b"01234").expect(202);
    for range in ["6-7", "4-5", "0-4"] {
        let refused = patch(
            &served,
            &location,
            Some(range),
            &[b'x'; 5][..if range == "0-4" { 5 } else { 2 }],
        );
        refused.expect(416);
        assert_eq!(refused.header("range"), "0-4", "{range}");
    }
    patch(&served, &location, Some("nonsense"), b"x").expect(416);
    assert_eq!(served.get(&location).expect(204).header("range"), "0-4");
    patch(&served, &location, Some("5-6"), b"56").expect(202);
}

#[test]
fn a_streamed_patch_has_no_content_range() {
    let served = Served::open();
    let location = begin(&served);
    assert_eq!(
        patch(&served, &location, None, b"abc").expect(202).header("range"),
        "0-2"
    );
    assert_eq!(
        patch(&served, &location, None, b"def").expect(202).header("range"),
        "0-5"
    );
    let digest = sha256(b"abcdef");
    served
        .send("PUT", &format!("{location}?digest={digest}"), &[], b"")
        .expect(201);
}

#[test]
fn one_post_is_enough() {
    let served = Served::open();
    let digest = sha256(b"whole");
    let posted = served.send("POST", &format!("{START}?digest={digest}"), &[], b"whole");
    assert_eq!(posted.expect(201).header("docker-content-digest"), digest);
    assert_eq!(served.get(posted.location()).expect(200).body, b"whole");
    let refused = served.send("POST", &format!("{START}?digest={}", sha256(b"other")), &[], b"whole");
    refused.expect_error(400, "DIGEST_INVALID");
}

#[test]
fn a_wrong_digest_is_refused_and_nothing_is_linked() {
    let served = Served::open();
    let location = begin(&served);
    let wrong = sha256(b"other");
    served
        .send("PUT", &format!("{location}?digest={wrong}"), &[], b"content")
        .expect_error(400, "DIGEST_INVALID");
    served.get(&format!("/v2/a/b/blobs/{wrong}")).expect(404);
    served.get(&format!("/v2/a/b/blobs/{}", sha256(b"content"))).expect(404);
    served
        .send("PUT", &begin(&served), &[], b"content")
        .expect_error(400, "DIGEST_INVALID");
}

#[test]
fn a_cancelled_upload_is_gone() {
    let served = Served::open();
    let location = begin(&served);
    patch(&served, &location, None, b"abc").expect(202);
    served.send("DELETE", &location, &[], b"").expect(204);
    served.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    patch(&served, &location, None, b"abc").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    served
        .send("DELETE", &location, &[], b"")
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    served
        .get(&format!("{START}not-a-uuid"))
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_final_put_sent_again_is_answered_201() {
    let served = Served::open();
    let location = begin(&served);
    let digest = sha256(b"content");
    let put = format!("{location}?digest={digest}");
    served.send("PUT", &put, &[], b"content").expect(201);
    let again = served.send("PUT", &put, &[], b"content");
    assert_eq!(again.expect(201).header("docker-content-digest"), digest);
    let other = format!("{location}?digest={}", sha256(b"never pushed"));
    served
        .send("PUT", &other, &[], b"content")
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_blob_is_mounted_from_another_repository() {
    let served = Served::open();
    let digest = served.push_blob("source/repo", b"shared");
    let mounted = served.send("POST", &format!("{START}?mount={digest}&from=source/repo"), &[], b"");
    assert_eq!(
        mounted.expect(201).header("location"),
        format!("/v2/a/b/blobs/{digest}")
    );
    assert_eq!(served.get(mounted.location()).expect(200).body, b"shared");
    // Without `from` any repository that may be read will do.
    served
        .send("POST", &format!("/v2/c/blobs/uploads/?mount={digest}"), &[], b"")
        .expect(201);
    // What is not there begins an upload.
    let unknown = sha256(b"unknown");
    let begun = served.send("POST", &format!("{START}?mount={unknown}&from=source/repo"), &[], b"");
    assert!(
        begun
            .expect(202)
            .header("location")
            .starts_with("/v2/a/b/blobs/uploads/")
    );
}

#[test]
fn an_upload_goes_on_after_a_restart() {
    let served = Served::open();
    let location = begin(&served);
    patch(&served, &location, None, b"before ").expect(202);
    let served = Served::start_in(served.stop(), OPEN, Frontend::Other);
    assert_eq!(served.get(&location).expect(204).header("range"), "0-6");
    patch(&served, &location, Some("7-11"), b"after").expect(202);
    let digest = sha256(b"before after");
    served
        .send("PUT", &format!("{location}?digest={digest}"), &[], b"")
        .expect(201);
}

#[test]
fn a_cut_connection_leaves_the_upload_resumable() {
    let served = Served::open();
    let location = begin(&served);
    {
        let mut client = std::net::TcpStream::connect(served.address()).unwrap();
        write!(
            client,
            "PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789"
        )
        .unwrap();
        client.shutdown(std::net::Shutdown::Both).unwrap();
    }
    // The next writer waits for the cut one; what that one had is kept, or none of it.
    let offset: usize = loop {
        let status = served.get(&location);
        match status.expect(204).header("range") {
            "0-9" => break 10,
            "0-0" => match patch(&served, &location, Some("0-0"), b"0") {
                answer if answer.status == 202 => break 1,
                answer => assert_eq!(answer.expect(416).header("range"), "0-9"),
            },
            other => panic!("neither none nor all: {other}"),
        }
    };
    let (rest, digest) = (&b"0123456789ab"[offset..], sha256(b"0123456789ab"));
    patch(&served, &location, None, rest).expect(202);
    served
        .send("PUT", &format!("{location}?digest={digest}"), &[], b"")
        .expect(201);
}

#[test]
fn the_least_chunk_length_is_announced() {
    let yaml = "storage: {filesystem: {rootdirectory: data}, upload: {chunkminlength: 5242880}}\n";
    let served = Served::start(yaml, Frontend::Other, |_| {});
    assert_eq!(
        served
            .send("POST", START, &[], b"")
            .expect(202)
            .header("oci-chunk-min-length"),
        "5242880"
    );
    assert_eq!(
        Served::open()
            .send("POST", START, &[], b"")
            .header("oci-chunk-min-length"),
        ""
    );
}

#[test]
fn a_read_only_registry_refuses_to_change() {
    let yaml = "storage: {filesystem: {rootdirectory: data}, maintenance: {readonly: {enabled: true}}}\n";
    let served = Served::start(yaml, Frontend::Other, |_| {});
    served.send("POST", START, &[], b"").expect_error(405, "UNSUPPORTED");
    served.get("/v2/").expect(200);
}
