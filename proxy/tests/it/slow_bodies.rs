//! Bodies that come slowly, or never, and those that nobody wants.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{join, join_all};
use lockgate_testkit::AsyncClient;

use crate::client::request;
use crate::harness::{Options, SOON, TestProxy};
use crate::scripted_registry::{Registry, Reply, ok};

const REFUSAL: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 55\r\n\
    WWW-Authenticate: Bearer realm=\"x\"\r\nX-Lockgate-User: admin\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n\
    {\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"log in\"}]}";

fn with_body_timeout() -> Options {
    Options::http("  limits:\n    bodytimeout: 1s\n    maxnetworkrequests: 64\n")
}

#[tokio::test]
async fn a_small_body_has_a_deadline_in_all_and_opens_nothing() {
    let proxy = TestProxy::open_with(with_body_timeout()).await;
    let registry = proxy.registry(|seen| ok("", &seen.body_length.to_string()));
    let began = Instant::now();
    // One byte now and then would keep every idle timer happy.
    let drip = async |mut http1: AsyncClient| {
        loop {
            match tokio::time::timeout(Duration::from_millis(200), http1.peek()).await {
                Ok(()) => return http1.answer().await,
                Err(_) => http1.send("x").await,
            }
            assert!(began.elapsed() < SOON, "it drips for ever");
        }
    };
    let heads = [
        "POST /auth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
        "PUT /v2/a/manifests/b HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
    ];
    let dripping = heads.map(async |head| {
        let mut http1 = proxy.http1().await;
        http1.send(head).await;
        drip(http1).await.expect_error(408, "UNAVAILABLE");
    });
    // h2, without a word about the length, and without an end.
    let http2 = proxy.http2().await;
    let requests = [
        ("POST", "/auth/token"),
        ("GET", "/v2/"),
        ("DELETE", "/v2/a/manifests/b"),
    ];
    let open = requests.map(async |(method, target)| {
        let request = request(target).method(method).body(()).unwrap();
        let (answer, _open) = http2.open(request).await;
        answer.expect_error(408, "UNAVAILABLE");
    });
    // All at once: each takes as long as the deadline.
    join(join_all(dripping), join_all(open)).await;
    assert!(registry.seen().is_empty() && registry.connections() == 0);
}

#[tokio::test]
async fn small_bodies_arrive_as_they_were_sent() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|seen| ok("", &seen.body_length.to_string()));
    for length in [0, 1, 65_535, 65_536] {
        let body = Bytes::from(vec![7; length]);
        let mut http1 = proxy.http1().await;
        for target in ["/auth/token", "/v2/a/blobs/uploads/?digest=x"] {
            let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            http1.send([head.as_bytes(), &body].concat()).await;
            assert_eq!(http1.answer().await.text(), length.to_string());
            let chunks = if length == 0 {
                b"0\r\n\r\n".to_vec()
            } else {
                [format!("{length:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
            };
            let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            http1.send([head.as_bytes(), &chunks].concat()).await;
            assert_eq!(http1.answer().await.text(), length.to_string(), "{target}");
            let post = request(target).method("POST").body(()).unwrap();
            let answer = proxy.http2().await.stream(post, std::slice::from_ref(&body)).await;
            assert_eq!(answer.text(), length.to_string(), "{target}");
        }
    }
    assert!(
        registry
            .seen()
            .iter()
            .all(|seen| seen.body.iter().all(|byte| *byte == 7))
    );
}

#[tokio::test]
async fn a_large_body_of_what_is_no_content_is_refused() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| ok("", ""));
    let large = Bytes::from(vec![7; 65_537]);
    let mut http1 = proxy.http1().await;
    http1
        .send("POST /auth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n")
        .await;
    assert_eq!(http1.answer().await.status, 413);
    let post = request("/auth/token").method("POST").body(()).unwrap();
    let answer = proxy.http2().await.stream(post, &[large]).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (413, "UNSUPPORTED"));
    assert!(registry.seen().is_empty());
}

#[tokio::test]
async fn a_large_body_waits_for_the_registrys_word() {
    let proxy = TestProxy::open().await;
    let registry = Registry::start_with_checks(
        &proxy.socket,
        |seen| match seen.target.contains("refused") {
            true => Reply::Raw(REFUSAL.to_owned()),
            false => Reply::Raw("HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        },
        |seen| ok("", &seen.body_length.to_string()),
    );
    let length = 1024 * 1024;
    for target in ["/v2/refused/blobs/uploads/1", "/v2/refused/manifests/b?tag=x"] {
        // Nothing of the body is sent: the head alone is answered.
        let mut http1 = proxy.http1().await;
        http1
            .send(format!(
                "PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
            ))
            .await;
        let answer = http1.answer().await;
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "UNAUTHORIZED"));
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"x\"");
        assert!(!answer.has("x-lockgate-user"));
        assert_eq!(answer.header("connection"), "close");
        let put = request(target).method("PUT").body(()).unwrap();
        let (answer, _open) = proxy.http2().await.open(put).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "UNAUTHORIZED"));
    }
    assert!(registry.seen().is_empty());
    let put = request("/v2/a/manifests/b").method("PUT").body(()).unwrap();
    let answer = proxy.http2().await.stream(put, &[vec![7; length].into()]).await;
    assert_eq!(answer.text(), length.to_string());
}

#[tokio::test]
async fn an_answer_before_the_body_ends_the_request() {
    let proxy = TestProxy::open().await;
    let _registry = Registry::start_early(
        &proxy.socket,
        |seen| seen.target.contains("early").then(|| Reply::Raw(REFUSAL.to_owned())),
        |_| ok("", ""),
    );
    let put = || request("/v2/early/manifests/b").method("PUT").body(()).unwrap();
    let http2 = proxy.http2().await;
    let (answer, mut open) = http2.open(put()).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "UNAUTHORIZED"));
    // The stream is over, although its body never came.
    let reset = tokio::time::timeout(SOON, std::future::poll_fn(|cx| open.poll_reset(cx))).await;
    assert_eq!(reset.expect("in time").unwrap(), h2::Reason::NO_ERROR);
    let mut http1 = proxy.http1().await;
    http1
        .send("PUT /v2/early/manifests/b HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        .await;
    let answer = http1.answer().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "UNAUTHORIZED"));
    assert!(http1.is_closed().await);
}
