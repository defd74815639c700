//! Requests that are refused, however they try, and connections that are used again.

use std::time::Instant;

use lockgate_testkit::eventually_async;

use crate::client::request;
use crate::harness::{Options, SOON, TestProxy};
use crate::scripted_registry::ok;

/// What a request may have.
const FIELDS: usize = 88;

#[tokio::test]
async fn ambiguous_requests_never_reach_the_registry() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| ok("", ""));
    for attack in [
        "POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "POST /v2/ HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET /v2/ HTTP/1.1\nHost: a\n\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\n\r\n",
        "GET http://a/v2/ HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET ?x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v2/<x> HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v2/\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-F\0oo: b\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET http://u@a/v2/ HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "G(T /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v2/ HTTP/1.2\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut http1 = proxy.http1().await;
        http1.send(attack).await;
        let answer = http1.answer().await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (400, "UNSUPPORTED"),
            "{attack:?}"
        );
        let rest = String::from_utf8(http1.rest().await).unwrap();
        assert!(!rest.contains("HTTP/1.1"), "a second answer to {attack:?}: {rest}");
    }
    // A chunk size that two parsers may read differently ends the request.
    let mut http1 = proxy.http1().await;
    http1
        .send("POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n")
        .await;
    assert_eq!(http1.head().await.status, 400);
    assert_eq!(registry.seen().len(), 0, "{:?}", registry.seen());
}

#[tokio::test]
async fn sizes_are_bounded_with_their_own_statuses() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| ok("", ""));
    let long = "a".repeat(17 * 1024);
    let mut http1 = proxy.http1().await;
    let answer = http1.get(&format!("/v2/{long}")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (414, "UNSUPPORTED"));
    let mut http1 = proxy.http1().await;
    let answer = http1
        .request("GET", "/v2/", &format!("X: {}\r\n", "a".repeat(70 * 1024)))
        .await;
    assert_eq!((answer.status, answer.error_code().as_str()), (431, "UNSUPPORTED"));
    let mut http2 = proxy.http2().await;
    let answer = http2.get(&format!("/v2/{long}")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (414, "UNSUPPORTED"));
    let builder = request("/v2/").header("x", "a".repeat(70 * 1024));
    assert_eq!(
        http2
            .request(builder.body(()).unwrap(), Default::default())
            .await
            .status,
        431
    );
    // The registry's parser takes 96 fields, and the proxy adds some.
    let fields = |number: usize| (0..number).map(|index| (format!("x-{index}"), "a")).collect::<Vec<_>>();
    for (number, status) in [(FIELDS, 200), (FIELDS + 1, 431), (97, 431), (200, 431)] {
        let lines: String = fields(number - 2)
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let mut http1 = proxy.http1().await;
        let answer = http1
            .request("POST", "/v2/fields", &format!("Content-Length: 0\r\n{lines}"))
            .await;
        assert_eq!(answer.status, status, "{number} fields over HTTP/1.1");
        let builder = fields(number)
            .iter()
            .fold(request("/v2/fields"), |builder, (name, value)| {
                builder.method("POST").header(name, *value)
            });
        let answer = proxy
            .http2()
            .await
            .stream(builder.body(()).unwrap(), &["x".into()])
            .await;
        assert_eq!(answer.status, status, "{number} fields over h2");
        if status == 431 {
            assert!(answer.text().contains("88 are the most"), "{}", answer.text());
        }
    }
    let seen = registry.seen();
    assert_eq!(seen.len(), 2, "one over each protocol");
    assert!(
        seen.iter()
            .all(|seen| seen.target == "/v2/fields" && seen.headers.len() <= 96),
        "{seen:?}"
    );
    // What is common passes: a token of 8 KiB and a long query.
    let mut http1 = proxy.http1().await;
    let token = format!("Authorization: Bearer {}\r\n", &long[..8192]);
    assert_eq!(
        http1
            .request("GET", &format!("/auth/token?scope={}", &long[..8192]), &token)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn connections_are_used_again() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|seen| ok("", &seen.target));
    let mut http1 = proxy.http1().await;
    for number in 0..5 {
        let answer = http1.get(&format!("/v2/{number}")).await;
        assert_eq!(answer.text(), format!("/v2/{number}"));
        assert_eq!(answer.header("connection"), "keep-alive");
    }
    assert!(
        registry.seen().iter().all(|seen| seen.connection == 0),
        "one connection to the registry"
    );
    let last = http1.request("GET", "/v2/", "Connection: close\r\n").await;
    assert_eq!(last.header("connection"), "close");
    assert!(http1.is_closed().await);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|seen| ok("", &seen.target));
    let mut http1 = proxy.http1().await;
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    http1
        .send(format!("{}{}{}", request("/1"), request("/2"), &request("/3")[..20]))
        .await;
    assert_eq!(http1.answer().await.text(), "/1");
    assert_eq!(http1.answer().await.text(), "/2");
    http1.send(&request("/3")[20..]).await;
    assert_eq!(http1.answer().await.text(), "/3");
}

#[tokio::test]
async fn silent_and_slow_clients_end() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    idletimeout: 1s\n")).await;
    let _registry = proxy.registry(|_| ok("", ""));
    let began = Instant::now();
    // Never speaks; speaks once; stalls in its body; takes nothing.
    let mut silent = proxy.http1().await;
    let mut idle = proxy.http1().await;
    idle.get("/v2/").await;
    let mut stalled = proxy.http1().await;
    stalled
        .send("PUT /v2/a/manifests/b HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        .await;
    assert!(silent.is_closed().await);
    assert!(idle.is_closed().await);
    let answer = stalled.answer().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (408, "UNAVAILABLE"));
    assert!(began.elapsed() < SOON);
}

#[tokio::test]
async fn a_client_that_takes_nothing_ends() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    idletimeout: 1s\n")).await;
    let length = 64 * 1024 * 1024;
    let registry = proxy.registry(move |_| {
        crate::scripted_registry::Reply::Raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Lockgate-Blob: 0 {length} big\r\n\r\n"
        ))
    });
    proxy.write_blob("big", &vec![7; length]);
    let mut http1 = proxy.http1().await;
    http1.send("GET /v2/a/blobs/b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(http1.head().await.status, 200);
    // The proxy's descriptors tell: it closes the file when it gives up. Nothing is read meanwhile.
    let big = proxy.home.data().join("docker/registry/v2/blobs/big");
    let is_open = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|path| path == big))
    };
    assert!(is_open());
    // By `idletimeout`, and not by a longer default.
    let end = eventually_async("the end of the transfer", async || !is_open());
    tokio::time::timeout(SOON, end).await.expect("the end within SOON");
    assert!(http1.rest().await.len() < length);
    drop(registry);
}

#[tokio::test]
async fn a_head_that_drips_in_is_answered_408() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    idletimeout: 2s\n")).await;
    let _registry = proxy.registry(|_| ok("", ""));
    let mut http1 = proxy.http1().await;
    http1.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n").await;
    let began = Instant::now();
    let answer = loop {
        // A field now and then keeps every idle timer happy.
        match tokio::time::timeout(std::time::Duration::from_millis(300), http1.peek()).await {
            Ok(()) => break http1.answer().await,
            Err(_) => http1.send("X: a\r\n").await,
        }
        assert!(began.elapsed() < SOON, "never answered");
    };
    assert_eq!((answer.status, answer.error_code().as_str()), (408, "UNAVAILABLE"));
    assert!(http1.is_closed().await);
}
