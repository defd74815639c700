//! Plain HTTP at the entrance for TLS.

use std::time::Duration;

use lockgate_testkit::{Answer, AsyncClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Options, TestProxy};
use crate::scripted_registry::ok;

const SENTENCE: &str = "the client sent an HTTP request to an HTTPS port, use ";

/// A proxy with a token endpoint.
async fn open(http: &str) -> TestProxy {
    TestProxy::open_with(Options {
        top: "auth: {htpasswd: {realm: r, path: htpasswd}, issuer: {}}\n".to_owned(),
        ..Options::http(http)
    })
    .await
}

/// Sends `request` as it stands; reads the answer, after which the connection must be closed in order.
async fn ask(proxy: &TestProxy, request: &str) -> Answer {
    let mut client = AsyncClient::tcp(proxy.address).await;
    client.send(request).await;
    let answer = client.answer_to(request.split(' ').next().unwrap()).await;
    assert_eq!(answer.header("connection"), "close");
    assert!(client.is_closed().await);
    answer
}

fn message(answer: &Answer) -> String {
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (400, "UNSUPPORTED"),
        "{answer:?}"
    );
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    body["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_of_the_registry_is_told_the_https_url() {
    let proxy = open("").await;
    let registry = proxy.registry(|_| ok("", "never asked"));
    let port = proxy.address.port();
    for (method, path, url) in [
        ("GET", "/v2/", "/v2/"),
        ("GET", "/v2", "/v2"),
        ("PUT", "/v2/app/manifests/latest", "/v2/app/manifests/latest"),
        ("GET", "/v2/_catalog?n=1", "/v2/_catalog"),
        ("GET", "/auth/token?service=lockgate&account=admin", "/auth/token"),
        ("POST", "/auth/token", "/auth/token"),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 0\r\n\r\n");
        let expected = format!("{SENTENCE}https://localhost:{port}{url}");
        assert_eq!(message(&ask(&proxy, &request).await), expected, "{method} {path}");
    }
    let old = ask(&proxy, "GET /v2/ HTTP/1.0\r\n\r\n").await;
    assert_eq!(message(&old), format!("{SENTENCE}an https:// URL"));
    let head = format!("HEAD /v2/app/manifests/latest HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    let head = ask(&proxy, &head).await;
    assert_eq!((head.status, head.header("content-type")), (400, "application/json"));
    assert!(registry.seen().is_empty());
}

#[tokio::test]
async fn everybody_else_is_told_in_plain_text() {
    let proxy = open("").await;
    let port = proxy.address.port();
    for path in ["/", "/healthz", "/v2x", "/auth/tokens", "/auth", "*"] {
        let answer = ask(&proxy, &format!("GET {path} HTTP/1.1\r\nHost: [::1]:{port}\r\n\r\n")).await;
        let url = if path == "*" { "/" } else { path };
        assert_eq!(answer.text(), format!("{SENTENCE}https://[::1]:{port}{url}\n"));
        assert_eq!(answer.status, 400);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let odd = ask(&proxy, "GET / HTTP/1.1\r\nHost: <script>\r\n\r\n").await;
    assert_eq!(odd.text(), format!("{SENTENCE}an https:// URL\n"));
}

#[tokio::test]
async fn the_public_name_and_the_prefix_count() {
    let proxy = open("  host: https://registry.example.com:5043\n  prefix: /outer/\n").await;
    for (path, is_api) in [
        ("/outer/v2/", true),
        ("/outer/auth/token", true),
        ("/v2/", false),
        ("/auth/token", false),
    ] {
        let answer = ask(&proxy, &format!("GET {path} HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n")).await;
        let expected = format!("{SENTENCE}https://registry.example.com:5043{path}");
        let told = if is_api {
            message(&answer)
        } else {
            answer.text().trim_end().to_owned()
        };
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn the_answer_survives_a_body_that_nobody_reads() {
    let proxy = open("").await;
    let mut client = AsyncClient::tcp(proxy.address).await;
    client
        .send("PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n")
        .await;
    for _ in 0..80 {
        client.send(vec![0; 100_000]).await;
    }
    assert!(message(&client.answer().await).starts_with(SENTENCE));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_head_may_come_in_pieces_and_is_bounded() {
    let proxy = open("").await;
    let mut client = AsyncClient::tcp(proxy.address).await;
    for byte in "GET /v2/ HTTP/1.1\r\nHost: localhost:5443\r\n\r\n".as_bytes() {
        client.send([*byte]).await;
    }
    let expected = format!("{SENTENCE}https://localhost:5443/v2/");
    assert_eq!(message(&client.answer().await), expected);

    let mut client = AsyncClient::tcp(proxy.address).await;
    client
        .send(format!("GET /v2/ HTTP/1.1\r\nX: {}", "x".repeat(70_000)))
        .await;
    assert_eq!(client.answer().await.status, 431);
    let mut client = AsyncClient::tcp(proxy.address).await;
    client.send("HELO registry\r\n").await;
    assert_eq!(client.answer().await.status, 400);
}

#[tokio::test]
async fn who_never_ends_the_head_is_answered_408_in_the_time_of_a_handshake() {
    let proxy = open("").await;
    let mut clients = Vec::new();
    for begun in ["GET /v2/ HTTP/1.1\r\n", "G", ""] {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        clients.push((begun, stream));
    }
    // Nobody waits for the ten seconds of a handshake: while all wait, the clock jumps to what ends first.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    for (begun, mut stream) in clients {
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
        read.expect("answered in time").unwrap();
        let told = answer.starts_with(b"HTTP/1.1 408 ") || (begun.is_empty() && answer.is_empty());
        assert!(told, "{begun:?}: {answer:?}");
    }
    let took = began.elapsed().as_secs_f64();
    assert!((9.0..11.0).contains(&took), "{took} s");
}

#[tokio::test]
async fn tls_is_spoken_as_before() {
    let proxy = open("").await;
    let _registry = proxy.registry(|_| ok("", "from the registry"));
    assert_eq!(proxy.http1().await.get("/v2/").await.text(), "from the registry");
    assert_eq!(proxy.http2().await.get("/v2/").await.text(), "from the registry");
    // What is neither gets what TLS has for it.
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(&[0x80, 0x2e, 1, 0, 2, 0, 0, 0]).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer))
        .await
        .expect("closed");
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}
