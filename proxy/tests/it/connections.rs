//! Connections in all: how many, which certificate, and how they end.

use std::time::{Duration, Instant};

use crate::client::{Http1, Http2, tls};
use crate::harness::{Options, SOON, TestProxy, issue};
use crate::scripted_registry::{Reply, ok};

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    maxconnections: 2\n")).await;
    let _registry = proxy.registry(|_| ok("", ""));
    let (mut first, mut second) = (Http1::connect(&proxy).await, Http2::connect(&proxy).await);
    assert_eq!(first.get("/v2/").await.status, 200);
    assert_eq!(second.get("/v2/").await.status, 200);

    let mut third = Http1::connect(&proxy).await;
    let answer = third.get("/v2/").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));
    assert!(answer.header("retry-after").is_some());
    assert!(third.is_closed().await);
    let answer = Http2::connect(&proxy).await.get("/v2/").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));

    // The two that were there are not disturbed, and a place that becomes free is given away.
    assert_eq!(second.get("/v2/").await.status, 200);
    assert_eq!(first.request("GET", "/v2/", "Connection: close\r\n").await.status, 200);
    assert!(first.is_closed().await);
    drop((first, third));
    let began = Instant::now();
    while Http1::connect(&proxy).await.get("/v2/").await.status != 200 {
        assert!(began.elapsed() < SOON);
    }
}

/// An orchestrator ends what does not answer its probes.
#[tokio::test]
async fn probes_are_answered_beyond_the_limit() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    maxconnections: 1\n")).await;
    let _registry = proxy.registry(|_| ok("", ""));
    let mut first = Http1::connect(&proxy).await;
    assert_eq!(first.get("/v2/").await.status, 200);
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/healthz/", 503), ("/v2/", 503)] {
        let mut probing = Http1::connect(&proxy).await;
        assert_eq!(probing.get(path).await.status, status, "{path}");
        assert!(probing.is_closed().await, "{path}");
    }
    let posted = Http1::connect(&proxy)
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
    let mut pull = Http1::connect(&proxy).await;
    pull.send("GET /v2/a/blob HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(pull.head().await.status, 200);
    let mut push = Http1::connect(&proxy).await;
    push.send("PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        .await;
    push.send(vec![0; 1_000_000]).await;
    let mut idle = Http1::connect(&proxy).await;
    assert_eq!(idle.get("/v2/").await.header("connection"), Some("keep-alive"));
    let mut http2 = Http2::connect(&proxy).await;
    assert_eq!(http2.get("/v2/").await.status, 200);
    let stream = tokio::spawn(async move { http2.length("/v2/a/blob").await });

    proxy.drain();
    // Accepting ends at once; a request that is on its way is answered, and told that it is the last.
    let began = Instant::now();
    while tls(&proxy, "localhost", &[b"http/1.1"]).await.is_ok() {
        assert!(began.elapsed() < SOON, "connections are still accepted");
    }
    let answer = idle.get("/v2/").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    tokio::time::sleep(Duration::from_millis(600)).await;
    push.send(vec![0; 1_000_000]).await;
    assert_eq!(push.answer(false).await.text(), "2000000");
    assert!(pull.body(length).await == vec![7; length]);
    assert_eq!(stream.await.unwrap(), length);
    proxy.ended().await;
    assert!(began.elapsed() < SOON);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let mut proxy = TestProxy::open_with(Options::http("  draintimeout: 1s\n")).await;
    let _registry = proxy.registry(|_| Reply::Silence);
    let mut hanging = Http1::connect(&proxy).await;
    hanging.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut idle = Http1::connect(&proxy).await;
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
    let mut before = Http1::connect(&proxy).await;
    assert_eq!(before.get("/v2/").await.status, 200);
    assert!(tls(&proxy, "renewed.example", &[]).await.is_err());
    issue(&proxy.authority, &proxy.home, "renewed.example");
    let began = Instant::now();
    while tls(&proxy, "renewed.example", &[]).await.is_err() {
        assert!(began.elapsed() < SOON, "the old certificate is still shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(before.get("/v2/").await.status, 200, "older connections go on");
}

#[tokio::test]
async fn a_new_configuration_is_taken_up_without_a_restart() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    let mut http1 = Http1::connect(&proxy).await;
    assert_eq!(http1.get("/v2/").await.header("x-new"), None);
    proxy.reload(Options::http("  headers:\n    X-New: [\"yes\"]\n")).await;
    let began = Instant::now();
    while http1.get("/v2/").await.header("x-new") != Some("yes") {
        assert!(began.elapsed() < SOON, "the old settings are still in force");
    }
    // One that cannot be used leaves things as they are.
    proxy.reload(Options::http("  docroot: /does/not/exist\n")).await;
    proxy
        .reload(Options {
            tls: true,
            http: "  headers:\n    X-New: [again]\n".into(),
            top: String::new(),
        })
        .await;
    while http1.get("/v2/").await.header("x-new") != Some("again") {
        assert!(began.elapsed() < SOON);
    }
}

#[tokio::test]
async fn it_serves_without_tls_too() {
    let proxy = TestProxy::open_with(Options {
        tls: false,
        ..Options::default()
    })
    .await;
    let registry = proxy.registry(|_| ok("", "plain"));
    let mut http1 = Http1::connect_plain(proxy.address).await;
    assert_eq!(http1.get("/v2/").await.text(), "plain");
    assert_eq!(registry.seen()[0].header("x-forwarded-proto").as_deref(), Some("http"));
}

/// What scanners do must not fill the log or stop the accept loop.
#[tokio::test]
async fn failed_handshakes_disturb_nobody() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    for _ in 0..20 {
        let mut scanner = Http1::connect_plain(proxy.address).await;
        scanner.send("GET / HTTP/1.0\r\n\r\n").await;
        scanner.rest().await;
    }
    assert_eq!(Http1::connect(&proxy).await.get("/v2/").await.status, 200);
}

/// Runs [`few_descriptors`] in a process of its own: the limit holds for whole processes.
#[test]
fn exhausted_descriptors_are_survived() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "connections::few_descriptors", "--ignored", "--nocapture"])
        .env("RUST_LOG", "lockgate_proxy=error")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let told = text.matches("no further connections can be accepted").count();
    assert!((1..10).contains(&told), "told {told} times: {text}");
}

#[tokio::test]
#[ignore = "lowers a limit of the whole process; run by exhausted_descriptors_are_survived"]
async fn few_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    let mut before = Http1::connect(&proxy).await;
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
    let began = Instant::now();
    loop {
        if let Ok(stream) = tls(&proxy, "localhost", &[b"http/1.1"]).await {
            assert_eq!(Http1::over(stream).get("/v2/").await.status, 200);
            break;
        }
        assert!(began.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs [`large_transfers`] in a process of its own, whose memory is then the proxy's and a small client's.
#[test]
fn memory_does_not_grow_with_a_transfer() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "connections::large_transfers", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
    let before = peak_memory();

    let mut http1 = Http1::connect(&proxy).await;
    http1
        .send(format!(
            "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"
        ))
        .await;
    let piece = vec![0; 1024 * 1024];
    for _ in 0..SIZE / piece.len() {
        http1.send(&piece).await;
    }
    assert_eq!(http1.answer(false).await.text(), SIZE.to_string());
    http1.send("GET /v2/a/blobs/b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(http1.head().await.status, 200);
    for _ in 0..SIZE / piece.len() {
        http1.body(piece.len()).await;
    }
    let mut http2 = Http2::connect(&proxy).await;
    assert_eq!(http2.length("/v2/a/blobs/b").await, SIZE);
    let grown = peak_memory() - before;
    assert!(grown < 24 * 1024, "{grown} KiB more than before");
}

/// In KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
