//! Blob hand-off over both protocols.

use std::os::unix::fs::symlink;

use crate::client::request;
use crate::harness::TestProxy;
use crate::scripted_registry::{Registry, Reply};

const BLOB: &str = "/v2/app/blobs/sha256:aa";

/// A registry that hands off whatever `?` asks for: `offset length path`.
fn handing_off(proxy: &TestProxy) -> Registry {
    proxy.registry(|seen| {
        let query = seen
            .target
            .split_once('?')
            .map_or("", |(_, query)| query)
            .replace('+', " ");
        let status = if seen.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("range")) {
            "206 Partial Content"
        } else {
            "200 OK"
        };
        Reply::Raw(format!(
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nETag: \"sha256:aa\"\r\nContent-Range: bytes 1-2/3\r\n\
             X-Lockgate-Blob: {query}\r\nX-Lockgate-User: admin\r\n\r\n"
        ))
    })
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[tokio::test]
async fn bodies_and_pieces_of_them_come_from_the_file() {
    let proxy = TestProxy::open().await;
    let registry = handing_off(&proxy);
    let content = pattern(700_001);
    proxy.write_blob("sha256/aa/data", &content);
    let (mut http1, mut http2) = (proxy.http1().await, proxy.http2().await);

    for (offset, length) in [
        (0, content.len()),
        (5, 1),
        (65_535, 131_073),
        (700_000, 1),
        (3, 0),
        (700_001, 0),
    ] {
        let target = format!("{BLOB}?{offset}+{length}+sha256/aa/data");
        for answer in [http1.get(&target).await, http2.get(&target).await] {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-length"), length.to_string().as_str());
            assert_eq!(answer.header("etag"), "\"sha256:aa\"");
            assert!(!answer.has("x-lockgate-blob"));
            assert!(!answer.has("x-lockgate-user"));
            assert!(answer.body == content[offset..offset + length], "{offset} {length}");
        }
        let head = http1.request("HEAD", &target, "").await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, length.to_string().as_str())
        );
        let head = http2
            .request(request(&target).method("HEAD").body(()).unwrap(), Default::default())
            .await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, length.to_string().as_str())
        );
    }
    let partial = http1
        .request("GET", &format!("{BLOB}?1+2+sha256/aa/data"), "Range: bytes=1-2\r\n")
        .await;
    assert_eq!((partial.status, &partial.body[..]), (206, &content[1..3]));
    assert_eq!(partial.header("content-range"), "bytes 1-2/3");

    // One client connection each, and the registry's were used again.
    let connections = registry.seen().iter().map(|seen| seen.connection).max().unwrap() + 1;
    assert!(connections <= 2, "{connections} connections to the registry");
}

#[tokio::test]
async fn several_pieces_come_in_one_answer() {
    let proxy = TestProxy::open().await;
    let _registry = handing_off(&proxy);
    let content = pattern(700_001);
    proxy.write_blob("sha256/aa/data", &content);
    let (mut http1, mut http2) = (proxy.http1().await, proxy.http2().await);
    let many: Vec<(usize, usize)> = (0..1024).map(|at| (at * 600, at * 600 + at % 3)).collect();
    for ranges in [
        &[(0, 0), (700_000, 700_000)][..],
        &[(65_535, 300_000), (5, 5), (0, 200_000)],
        &many,
    ] {
        let (mut header, mut body) = (Vec::new(), Vec::new());
        for (number, &(first, last)) in ranges.iter().enumerate() {
            header.push(format!("{first}-{last}"));
            body.extend_from_slice(if number == 0 { b"" } else { b"\r\n" });
            body.extend_from_slice(b"--b0undary\r\nContent-Type: application/octet-stream\r\n");
            body.extend_from_slice(format!("Content-Range: bytes {first}-{last}/700001\r\n\r\n").as_bytes());
            body.extend_from_slice(&content[first..=last]);
        }
        body.extend_from_slice(b"\r\n--b0undary--\r\n");
        let target = format!("{BLOB}?multipart+b0undary+700001+{}+sha256/aa/data", header.join(","));
        for answer in [http1.get(&target).await, http2.get(&target).await] {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-length"), body.len().to_string().as_str());
            assert!(!answer.has("x-lockgate-blob"));
            assert!(answer.body == body, "{} ranges", ranges.len());
        }
    }
    // The connections live on.
    let target = format!("{BLOB}?0+5+sha256/aa/data");
    for answer in [http1.get(&target).await, http2.get(&target).await] {
        assert_eq!(answer.body, content[..5]);
    }
}

#[tokio::test]
async fn a_large_blob_arrives_whole_over_several_streams_at_once() {
    let proxy = TestProxy::open().await;
    let _registry = handing_off(&proxy);
    let content = pattern(24 * 1024 * 1024 + 13);
    proxy.write_blob("sha256/aa/data", &content);
    let target = format!("{BLOB}?0+{}+sha256/aa/data", content.len());
    let http2 = proxy.http2().await;
    let streams = (0..3).map(|_| {
        let (mut http2, target) = (http2.clone(), target.clone());
        tokio::spawn(async move { http2.get(&target).await })
    });
    let streams: Vec<_> = streams.collect();
    let mut http1 = proxy.http1().await;
    assert!(http1.get(&target).await.body == content);
    for stream in streams {
        assert!(stream.await.unwrap().body == content);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_becomes_a_proper_error() {
    let proxy = TestProxy::open().await;
    let _registry = handing_off(&proxy);
    proxy.write_blob("sha256/aa/data", b"12345");
    std::fs::write(proxy.home.data().join("secret"), "secret").unwrap();
    symlink(
        "/etc/passwd",
        proxy.home.data().join("docker/registry/v2/blobs/sha256/aa/link"),
    )
    .unwrap();
    let (mut http1, mut http2) = (proxy.http1().await, proxy.http2().await);
    for (handoff, status, code) in [
        ("0+5+sha256/gone/data", 404, "BLOB_UNKNOWN"),
        ("0+6+../../../../secret", 404, "BLOB_UNKNOWN"),
        ("0+6+sha256/../../../../../secret", 404, "BLOB_UNKNOWN"),
        ("0+6+/etc/passwd", 404, "BLOB_UNKNOWN"),
        ("0+6+sha256/aa/link", 404, "BLOB_UNKNOWN"),
        ("0+6+sha256/aa", 404, "BLOB_UNKNOWN"),
        ("0+6+sha256/aa/data", 500, "UNKNOWN"),
        ("0+x+sha256/aa/data", 500, "UNKNOWN"),
        ("0+5", 500, "UNKNOWN"),
        ("multipart+b+5+0-0,4-4+sha256/gone/data", 404, "BLOB_UNKNOWN"),
        ("multipart+b+6+0-0,4-4+sha256/aa/data", 500, "UNKNOWN"),
        ("multipart+b+5+0-0,5-5+sha256/aa/data", 500, "UNKNOWN"),
    ] {
        let target = format!("{BLOB}?{handoff}");
        for answer in [http1.get(&target).await, http2.get(&target).await] {
            assert_eq!(
                (answer.status, answer.error_code().as_str()),
                (status, code),
                "{handoff}: {answer:?}"
            );
        }
        let head = http1.request("HEAD", &target, "").await;
        assert_eq!((head.status, head.body.len()), (status, 0));
    }
    // The connections live on.
    assert_eq!(http1.get(&format!("{BLOB}?0+5+sha256/aa/data")).await.text(), "12345");
}

#[tokio::test]
async fn a_client_cannot_ask_for_a_hand_off() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| crate::scripted_registry::ok("", "from the registry"));
    proxy.write_blob("sha256/aa/data", b"12345");
    let mut http1 = proxy.http1().await;
    let forged = "X-Lockgate-Blob: 0 5 sha256/aa/data\r\nX-Accel-Redirect: /blobs/sha256/aa/data\r\n";
    assert_eq!(http1.request("GET", BLOB, forged).await.text(), "from the registry");
    let seen = registry.seen();
    assert_eq!(
        (seen[0].header("x-lockgate-blob"), seen[0].header("x-accel-redirect")),
        (None, None)
    );
}

#[tokio::test]
async fn pulls_go_on_while_the_registry_is_killed() {
    let proxy = TestProxy::open().await;
    let registry = handing_off(&proxy);
    let content = pattern(16 * 1024 * 1024);
    proxy.write_blob("sha256/aa/data", &content);
    let mut http1 = proxy.http1().await;
    http1
        .send(format!(
            "GET {BLOB}?0+{}+sha256/aa/data HTTP/1.1\r\nHost: localhost\r\n\r\n",
            content.len()
        ))
        .await;
    // The first bytes are here, most are still in the file: sockets hold far less than 16 MiB.
    let head = http1.head().await;
    assert_eq!(head.status, 200);
    drop(registry);
    assert!(http1.body(content.len()).await == content);
}
