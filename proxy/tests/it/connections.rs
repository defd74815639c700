//! Connections in all: how many, which certificate, and how they end.

use std::time::{Duration, Instant};

use lockgate_testkit::process::memory_kib;
use lockgate_testkit::{AsyncClient, eventually_async, own_process};

use crate::client::tls;
use crate::harness::{Options, SOON, TestProxy, issue};
use crate::scripted_registry::{Reply, ok};

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    maxconnections: 2\n")).await;
    let _registry = proxy.registry(|_| ok("", ""));
    let (mut first, mut second) = (proxy.http1().await, proxy.http2().await);
    assert_eq!(first.get("/v2/").await.status, 200);
    assert_eq!(second.get("/v2/").await.status, 200);

    let mut third = proxy.http1().await;
    let answer = third.get("/v2/").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));
    assert!(answer.has("retry-after"));
    assert!(third.is_closed().await);
    let answer = proxy.http2().await.get("/v2/").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));

    // The two that were there are not disturbed, and a place that becomes free is given away.
    assert_eq!(second.get("/v2/").await.status, 200);
    assert_eq!(first.request("GET", "/v2/", "Connection: close\r\n").await.status, 200);
    assert!(first.is_closed().await);
    drop((first, third));
    let free = async || proxy.http1().await.get("/v2/").await.status == 200;
    eventually_async("a place for another connection", free).await;
}

/// An orchestrator ends what does not answer its probes.
#[tokio::test]
async fn probes_are_answered_beyond_the_limit() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    maxconnections: 1\n")).await;
    let _registry = proxy.registry(|_| ok("", ""));
    let mut first = proxy.http1().await;
    assert_eq!(first.get("/v2/").await.status, 200);
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/healthz/", 503), ("/v2/", 503)] {
        let mut probing = proxy.http1().await;
        assert_eq!(probing.get(path).await.status, status, "{path}");
        assert!(probing.is_closed().await, "{path}");
    }
    let posted = proxy
        .http1()
        .await
        .request("POST", "/healthz", "Content-Length: 0\r\n")
        .await;
    assert_eq!(posted.status, 503);
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight() {
    let mut proxy = TestProxy::open().await;
    let length = 48 * 1024 * 1024;
    let _registry = proxy.registry(move |seen| match seen.method.as_str() {
        "GET" if seen.target.ends_with("blob") => Reply::Raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Lockgate-Blob: 0 {length} big\r\n\r\n"
        )),
        _ => ok("", &seen.body_length.to_string()),
    });
    proxy.write_blob("big", &vec![7; length]);

    // A pull and a push that are half done, a client between two requests, and one on h2.
    let mut pull = proxy.http1().await;
    pull.send("GET /v2/a/blob HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(pull.head().await.status, 200);
    let mut push = proxy.http1().await;
    push.send("PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        .await;
    push.send(vec![0; 1_000_000]).await;
    let mut idle = proxy.http1().await;
    assert_eq!(idle.get("/v2/").await.header("connection"), "keep-alive");
    let mut http2 = proxy.http2().await;
    assert_eq!(http2.get("/v2/").await.status, 200);
    let stream = tokio::spawn(async move { http2.length("/v2/a/blob").await });

    proxy.drain();
    // Accepting ends at once; a request that is on its way is answered, and told that it is the last.
    let began = Instant::now();
    let refused = async || tls(&proxy, "localhost", &[b"http/1.1"]).await.is_err();
    eventually_async("the end of accepting", refused).await;
    let answer = idle.get("/v2/").await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    tokio::time::sleep(Duration::from_millis(600)).await;
    push.send(vec![0; 1_000_000]).await;
    assert_eq!(push.answer().await.text(), "2000000");
    assert!(pull.body(length).await == vec![7; length]);
    assert_eq!(stream.await.unwrap(), length);
    proxy.ended().await;
    assert!(began.elapsed() < SOON);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let mut proxy = TestProxy::open_with(Options::http("  draintimeout: 1s\n")).await;
    let _registry = proxy.registry(|_| Reply::Silence);
    let mut hanging = proxy.http1().await;
    hanging.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut idle = proxy.http1().await;
    idle.send("GET /v2/").await;
    proxy.drain();
    let began = Instant::now();
    proxy.ended().await;
    assert!(
        (Duration::from_millis(900)..SOON).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert!(hanging.is_closed().await);
}

#[tokio::test]
async fn a_drain_without_connections_is_immediate() {
    let mut proxy = TestProxy::open().await;
    let began = Instant::now();
    proxy.drain();
    proxy.ended().await;
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    let mut before = proxy.http1().await;
    assert_eq!(before.get("/v2/").await.status, 200);
    assert!(tls(&proxy, "renewed.example", &[]).await.is_err());
    issue(&proxy.authority, &proxy.home, "renewed.example");
    let renewed = async || tls(&proxy, "renewed.example", &[]).await.is_ok();
    eventually_async("the new certificate", renewed).await;
    assert_eq!(before.get("/v2/").await.status, 200, "older connections go on");
}

#[tokio::test]
async fn a_new_configuration_is_taken_up_without_a_restart() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    let mut http1 = proxy.http1().await;
    assert!(!http1.get("/v2/").await.has("x-new"));
    proxy.reload(Options::http("  headers:\n    X-New: [\"yes\"]\n")).await;
    eventually_async("the new settings", async || {
        http1.get("/v2/").await.header("x-new") == "yes"
    })
    .await;
    // One that cannot be used leaves things as they are.
    proxy.reload(Options::http("  docroot: /does/not/exist\n")).await;
    proxy
        .reload(Options {
            tls: true,
            http: "  headers:\n    X-New: [again]\n".into(),
            top: String::new(),
        })
        .await;
    eventually_async("the next settings", async || {
        http1.get("/v2/").await.header("x-new") == "again"
    })
    .await;
}

#[tokio::test]
async fn it_serves_without_tls_too() {
    let proxy = TestProxy::open_with(Options {
        tls: false,
        ..Options::default()
    })
    .await;
    let registry = proxy.registry(|_| ok("", "plain"));
    let mut http1 = AsyncClient::tcp(proxy.address).await;
    assert_eq!(http1.get("/v2/").await.text(), "plain");
    assert_eq!(registry.seen()[0].header("x-forwarded-proto").as_deref(), Some("http"));
}

/// What scanners do must not fill the log or stop the accept loop.
#[tokio::test]
async fn failed_handshakes_disturb_nobody() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    for _ in 0..20 {
        let mut scanner = AsyncClient::tcp(proxy.address).await;
        scanner.send("GET / HTTP/1.0\r\n\r\n").await;
        scanner.rest().await;
    }
    assert_eq!(proxy.http1().await.get("/v2/").await.status, 200);
}

/// Runs [`few_descriptors`] in a process of its own: the limit holds for whole processes.
#[test]
fn exhausted_descriptors_are_survived() {
    let text = own_process::run("connections::few_descriptors", &[("RUST_LOG", "lockgate_proxy=error")]);
    let told = text.matches("no further connections can be accepted").count();
    assert!((1..10).contains(&told), "told {told} times: {text}");
}

#[tokio::test]
#[ignore = "lowers a limit of the whole process; run by exhausted_descriptors_are_survived"]
async fn few_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    let mut before = proxy.http1().await;
    assert_eq!(before.get("/v2/").await.status, 200);
    let limits = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        rustix::process::Rlimit {
            current: Some(64),
            ..limits
        },
    )
    .unwrap();

    let mut clients = Vec::new();
    while let Ok(client) = tokio::net::TcpStream::connect(proxy.address).await {
        clients.push(client);
    }
    // The accept loop meets the limit too, and goes on trying; who is connected goes on.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(before.get("/v2/").await.status, 200);
    drop(clients);
    let connect = async || tls(&proxy, "localhost", &[b"http/1.1"]).await.ok();
    let stream = eventually_async("a connection", connect).await;
    assert_eq!(AsyncClient::over(stream).get("/v2/").await.status, 200);
}

/// Runs [`large_transfers`] in a process of its own, whose memory is then the proxy's and a small client's.
#[test]
fn memory_does_not_grow_with_a_transfer() {
    own_process::run("connections::large_transfers", &[]);
}

#[tokio::test]
#[ignore = "measures the whole process; run by memory_does_not_grow_with_a_transfer"]
async fn large_transfers() {
    const SIZE: usize = 128 * 1024 * 1024;
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|seen| match seen.method.as_str() {
        "GET" => Reply::Raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Lockgate-Blob: 0 {SIZE} big\r\n\r\n"
        )),
        _ => ok("", &seen.body_length.to_string()),
    });
    proxy.write_blob("big", b"");
    let big = proxy.home.data().join("docker/registry/v2/blobs/big");
    std::fs::File::options()
        .write(true)
        .open(big)
        .unwrap()
        .set_len(SIZE as u64)
        .unwrap();
    let before = memory_kib("self", "VmHWM");

    let mut http1 = proxy.http1().await;
    http1
        .send(format!(
            "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"
        ))
        .await;
    let piece = vec![0; 1024 * 1024];
    for _ in 0..SIZE / piece.len() {
        http1.send(&piece).await;
    }
    assert_eq!(http1.answer().await.text(), SIZE.to_string());
    http1.send("GET /v2/a/blobs/b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(http1.head().await.status, 200);
    for _ in 0..SIZE / piece.len() {
        http1.body(piece.len()).await;
    }
    let mut http2 = proxy.http2().await;
    assert_eq!(http2.length("/v2/a/blobs/b").await, SIZE);
    let grown = memory_kib("self", "VmHWM") - before;
    assert!(grown < 24 * 1024, "{grown} KiB more than before");
}
