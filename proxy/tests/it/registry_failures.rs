//! A registry that is away, dies, hangs or comes back.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::client::request;
use crate::harness::{Options, TestProxy};
use crate::scripted_registry::{Registry, Reply, ok};

fn impatient() -> Options {
    Options::http("  limits:\n    backendwait: 500ms\n")
}

#[tokio::test]
async fn a_registry_that_stays_away_is_a_503() {
    let proxy = TestProxy::open_with(impatient()).await;
    let (mut http1, mut http2) = (proxy.http1().await, proxy.http2().await);
    // First there is no socket; then nobody accepts on it, as when the supervisor holds it.
    for round in 0..2 {
        let _held = (round == 1).then(|| UnixListener::bind(&proxy.socket).unwrap());
        let began = Instant::now();
        let answer = http2.get("/v2/").await;
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));
        assert!(answer.has("retry-after"));
        assert!(
            began.elapsed() >= Duration::from_millis(450),
            "it waited {:?}",
            began.elapsed()
        );
        let answer = http1.get("/v2/").await;
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));
        http1 = proxy.http1().await;
        let answer = http1.request("HEAD", "/v2/", "").await;
        assert_eq!((answer.status, answer.body.len()), (503, 0));
        http1 = proxy.http1().await;
    }
}

#[tokio::test]
async fn requests_wait_for_a_registry_that_comes_back() {
    let proxy = TestProxy::open().await;
    let patch = "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    // No socket, then a socket that nobody accepts on; even a PATCH waits, since nothing of it was sent.
    for round in 0..2 {
        let _ = std::fs::remove_file(&proxy.socket);
        let held = (round == 1).then(|| UnixListener::bind(&proxy.socket).unwrap());
        let (mut get, mut send) = (proxy.http1().await, proxy.http1().await);
        get.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
        send.send(patch).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let handler = |seen: &crate::scripted_registry::Seen| ok("", &format!("{} {}", seen.method, seen.body_length));
        let _registry = match held {
            None => proxy.registry(handler),
            Some(held) => {
                held.set_nonblocking(true).unwrap();
                Registry::on(tokio::net::UnixListener::from_std(held).unwrap(), |_| None, handler)
            }
        };
        assert_eq!(get.answer().await.text(), "GET 0");
        assert_eq!(send.answer().await.text(), "PATCH 5");
    }
}

/// A registry that cuts the connection at the first request of each method and path, and answers the second.
fn cutting(proxy: &TestProxy) -> Registry {
    let seen_before = std::sync::Mutex::new(std::collections::HashSet::new());
    proxy.registry(move |seen| {
        match seen_before
            .lock()
            .unwrap()
            .insert((seen.method.clone(), seen.target.clone()))
        {
            true => Reply::Cut,
            false => ok("", &seen.body_length.to_string()),
        }
    })
}

#[tokio::test]
async fn what_was_cut_is_sent_again_where_that_is_harmless() {
    let proxy = TestProxy::open().await;
    let registry = cutting(&proxy);
    let cases = [
        ("GET", "/v2/a/tags/list", 0, 200),
        ("HEAD", "/v2/a/manifests/b", 0, 200),
        ("POST", "/v2/a/blobs/uploads/", 0, 200),
        ("PUT", "/v2/a/manifests/b", 60_000, 200),
        ("PUT", "/v2/a/blobs/uploads/1?digest=sha256:aa", 0, 200),
        ("PATCH", "/v2/a/blobs/uploads/1", 5, 503),
        ("PUT", "/v2/a/blobs/uploads/1?digest=sha256:bb", 5, 503),
        ("PUT", "/v2/a/manifests/large", 100_000, 503),
        ("DELETE", "/v2/a/manifests/b", 0, 503),
        ("POST", "/auth/token", 5, 200),
    ];
    for (protocol, suffix) in [(1, ""), (2, "&h2")] {
        for (method, target, length, status) in cases {
            let target = format!("{target}{suffix}");
            let answer = if protocol == 1 {
                let mut http1 = proxy.http1().await;
                let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
                http1.send(head).await;
                http1.send(vec![b'x'; length]).await;
                http1.answer_to(method).await
            } else {
                let mut http2 = proxy.http2().await;
                let request = request(&target).method(method).body(()).unwrap();
                http2.request(request, Bytes::from(vec![b'x'; length])).await
            };
            assert_eq!(answer.status, status, "{method} {target} over {protocol}");
            match status {
                503 => {
                    assert_eq!(answer.error_code(), "UNAVAILABLE");
                    assert!(answer.has("retry-after"));
                }
                _ if method == "HEAD" => {}
                _ => assert_eq!(answer.text(), length.to_string(), "{method} {target} over {protocol}"),
            }
            let tries = registry
                .seen()
                .iter()
                .filter(|seen| seen.method == method && seen.target == target)
                .count();
            assert_eq!(
                tries,
                if status == 200 { 2 } else { 1 },
                "{method} {target} over {protocol}"
            );
        }
    }
}

/// The registry dies when it is asked where an upload stands, and again when the body comes.
#[tokio::test]
async fn an_upload_goes_on_when_the_registry_dies_before_its_first_byte() {
    let proxy = TestProxy::open().await;
    let (asked, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let registry = Registry::start_with_uploads(
        &proxy.socket,
        move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Cut,
            _ => Reply::Raw("HTTP/1.1 204 No Content\r\nX-Lockgate-Offset: 0\r\n\r\n".to_owned()),
        },
        move |_| match sent.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Cut,
            _ => Reply::Raw("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()),
        },
    );
    let mut http1 = proxy.http1().await;
    http1
        .send("PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    let answer = http1.answer().await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    // What died with the registry, what was missing, and the rest of the request.
    let bodies: Vec<_> = registry.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [&b"hello"[..], b"hello", b""]);
}

#[tokio::test]
async fn a_request_that_kills_the_registry_does_so_a_few_times_only() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| Reply::Cut);
    let answer = proxy.http1().await.get("/v2/").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));
    assert_eq!(registry.seen().len(), 4);
}

#[tokio::test]
async fn a_pooled_connection_that_died_is_replaced() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| ok("", ""));
    let mut http1 = proxy.http1().await;
    for _ in 0..3 {
        assert_eq!(http1.get("/v2/").await.status, 200);
    }
    drop(registry);
    let again = proxy.registry(|_| ok("", ""));
    let patch = "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(http1.get("/v2/").await.status, 200);
    http1.send(patch).await;
    assert_eq!(http1.answer().await.status, 200);
    assert_eq!(again.seen().len(), 2);
}

#[tokio::test]
async fn nothing_is_asked_on_a_connection_after_an_answer_that_ends_it() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|seen| match seen.target.as_str() {
        // As the registry's HTTP layer answers what it cannot read: it does not say that it hangs up.
        "/v2/odd" => Reply::Raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_owned()),
        "/v2/wrong" => Reply::Raw(
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n"
                .to_owned(),
        ),
        _ => ok("", &seen.connection.to_string()),
    });
    let mut http2 = proxy.http2().await;
    assert_eq!(http2.get("/v2/").await.text(), "0");
    assert_eq!(http2.get("/v2/wrong").await.status, 400);
    assert_eq!(
        http2.get("/v2/").await.text(),
        "0",
        "a refusal of the registry itself ends nothing"
    );
    let answer = http2.get("/v2/odd").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "UNSUPPORTED"));
    assert_eq!(http2.get("/v2/").await.text(), "1");
    let odd = registry.seen().iter().filter(|seen| seen.target == "/v2/odd").count();
    assert_eq!(odd, 1, "it was sent again");
}

#[tokio::test]
async fn a_request_that_was_never_read_is_sent_again_on_a_new_connection() {
    let proxy = TestProxy::open().await;
    let deaf = || Reply::Deaf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned());
    let registry = proxy.registry(move |seen| match seen.target.as_str() {
        "/v2/" => deaf(),
        _ => ok("", &seen.body_length.to_string()),
    });
    for (method, target, length) in [
        ("DELETE", "/v2/a/manifests/b", 0),
        ("POST", "/auth/token", 5),
        ("POST", "/v2/a/blobs/uploads/", 0),
        ("PATCH", "/v2/a/blobs/uploads/1", 0),
    ] {
        let mut http1 = proxy.http1().await;
        assert_eq!(http1.get("/v2/").await.status, 200);
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        http1.send([head.as_bytes(), &vec![b'x'; length]].concat()).await;
        let answer = http1.answer().await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, length.to_string().as_str()),
            "{method}"
        );
    }
    let seen = registry.seen();
    let asked: Vec<_> = seen.iter().filter(|seen| seen.target != "/v2/").collect();
    assert_eq!(asked.len(), 4, "{asked:?}");
    let mut connections: Vec<_> = asked.iter().map(|seen| seen.connection).collect();
    connections.dedup();
    assert_eq!(connections.len(), 4, "{connections:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_completed() {
    let proxy = TestProxy::open().await;
    let tries = AtomicUsize::new(0);
    let _registry = proxy.registry(move |seen| {
        tries.fetch_add(1, Ordering::SeqCst);
        match seen.target.as_str() {
            "/garbage" => Reply::Last("no HTTP at all\r\n\r\n".to_owned()),
            _ => Reply::Last("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned()),
        }
    });
    let mut http1 = proxy.http1().await;
    http1.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(http1.head().await.status, 200);
    assert_eq!(http1.rest().await, b"half");
    let mut http2 = proxy.http2().await;
    let broken = http2.try_request(request("/v2/").body(()).unwrap(), Bytes::new()).await;
    assert!(broken.is_err(), "{broken:?}");
    let mut http1 = proxy.http1().await;
    let answer = http1.get("/garbage").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (502, "UNKNOWN"));
}
