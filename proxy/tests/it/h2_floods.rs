//! Floods of h2 frames that ask for nothing.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::tls;
use crate::harness::{SOON, TestProxy};
use crate::scripted_registry::ok;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// A frame of `kind`, 100,000 times.
fn flood(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let frame = [&[0, 0, length, kind, 0, 0, 0, 0, stream], payload].concat();
    frame.repeat(100_000)
}

#[tokio::test]
async fn a_flood_of_useless_frames_is_answered_goaway() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    for (name, flood) in [
        ("WINDOW_UPDATE", flood(8, 0, &[0, 0, 0, 1])),
        ("PRIORITY", flood(2, 1, &[0, 0, 0, 3, 9])),
        ("SETTINGS", flood(4, 0, &[])),
        ("PING", flood(6, 0, &[1; 8])),
        ("unknown", flood(0xfa, 0, &[1; 8])),
    ] {
        let stream = tls(&proxy, "localhost", &[b"h2"]).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let writing = tokio::spawn(async move {
            let _ = writer.write_all(PREFACE).await;
            let _ = writer.write_all(&flood).await;
            writer
        });
        let mut said = Vec::new();
        let read = tokio::time::timeout(SOON, reader.read_to_end(&mut said)).await;
        assert!(read.is_ok(), "{name}: the connection goes on");
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb];
        assert!(
            said.ends_with(&goaway),
            "{name}: {:?}",
            &said[said.len().saturating_sub(40)..]
        );
        writing.abort();
        // Who did nothing wrong notices nothing.
        assert_eq!(proxy.http2().await.get("/v2/").await.status, 200);
    }
}

#[tokio::test]
async fn long_pulls_and_pushes_over_h2_are_no_flood() {
    let proxy = TestProxy::open().await;
    let length = 64 * 1024 * 1024;
    let _registry = proxy.registry(move |seen| match seen.method.as_str() {
        "GET" => crate::scripted_registry::Reply::Raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Lockgate-Blob: 0 {length} big\r\n\r\n"
        )),
        _ => ok("", &seen.body_length.to_string()),
    });
    proxy.write_blob("big", &vec![7; length]);
    let mut http2 = proxy.http2().await;
    for _ in 0..2 {
        assert_eq!(http2.length("/v2/a/blobs/b").await, length);
    }
    let small = Instant::now();
    let mut http1 = proxy.http1().await;
    let pull = tokio::spawn(async move { http2.length("/v2/a/blobs/b").await });
    for _ in 0..10 {
        assert_eq!(http1.request("HEAD", "/v2/", "").await.status, 200);
    }
    assert!(small.elapsed() < Duration::from_secs(5), "{:?}", small.elapsed());
    assert_eq!(pull.await.unwrap(), length);
}
