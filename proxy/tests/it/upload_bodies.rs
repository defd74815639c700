//! Bodies on their way in.

use bytes::Bytes;

use crate::client::request;
use crate::harness::TestProxy;
use crate::scripted_registry::{Registry, Reply, Seen, ok};

const UNAUTHORISED: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\
     Content-Type: application/json\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 75\r\n\r\n\
     {\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"  }]}\n";

#[tokio::test]
async fn bodies_of_any_framing_arrive_whole() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|seen| ok("", &seen.body_length.to_string()));
    let length = 20 * 1024 * 1024 + 7;
    let mut http1 = proxy.http1().await;
    http1
        .send(format!(
            "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
    http1.send(vec![1; length]).await;
    assert_eq!(http1.answer().await.text(), length.to_string());
    // Chunked, on the same connection.
    http1
        .send("PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..40 {
        http1.send(format!("{:x}\r\n", 100_000)).await;
        http1.send(vec![2; 100_000]).await;
        http1.send("\r\n").await;
    }
    http1.send("0\r\n\r\n").await;
    assert_eq!(http1.answer().await.text(), "4000000");
    let mut http2 = proxy.http2().await;
    let patch = request("/v2/a/blobs/uploads/1").method("PATCH").body(()).unwrap();
    assert_eq!(
        http2.request(patch, Bytes::from(vec![3; length])).await.text(),
        length.to_string()
    );
    let seen = registry.seen();
    assert_eq!(seen[1].header("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(seen[0].body[..5], [1; 5]);
    assert_eq!(seen[2].body[..5], [3; 5]);
}

/// Pingora asks for it in the same words as whether the client is still there.
#[tokio::test]
async fn a_last_byte_that_comes_alone_is_not_waited_for_in_vain() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|seen| ok("", &seen.body_length.to_string()));
    let mut http1 = proxy.http1().await;
    for length in [1, 2, 3, 1000, 64 * 1024 + 1] {
        // Each piece is a record of its own, and has time to be read as one.
        for _ in 0..4 {
            http1
                .send(format!(
                    "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
                ))
                .await;
            tokio::task::yield_now().await;
            http1.send(vec![1; length - 1]).await;
            tokio::task::yield_now().await;
            http1.send([1]).await;
            assert_eq!(http1.answer().await.text(), length.to_string());
        }
    }
}

/// The registry dies between the question where the upload stands and the request.
#[tokio::test]
async fn a_small_body_that_never_set_out_arrives_whole() {
    let proxy = TestProxy::open().await;
    let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let asks = move |_: &Seen| {
        ask.send(()).unwrap();
        Reply::Silence
    };
    let first = Registry::start_with_uploads(&proxy.socket, asks, |_| Reply::Silence);
    let mut http1 = proxy.http1().await;
    http1
        .send("PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    asked.recv().await.unwrap();
    first.end().await;
    let stands = |_: &Seen| Reply::Raw("HTTP/1.1 204 No Content\r\nX-Lockgate-Offset: 0\r\n\r\n".to_owned());
    let second = Registry::start_with_uploads(&proxy.socket, stands, |seen| ok("", &seen.body_length.to_string()));
    assert_eq!(http1.answer().await.text(), "5");
    assert_eq!(second.seen().last().unwrap().body, b"hello");
}

/// What Go's client does with a body whose length it does not know.
#[tokio::test]
async fn a_body_that_ends_with_an_empty_frame_ends_once() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|seen| ok("", &seen.body_length.to_string()));
    let mut http2 = proxy.http2().await;
    for number in 1..=3 {
        let patch = request("/v2/a/blobs/uploads/1").method("PATCH").body(()).unwrap();
        let pieces = [Bytes::from_static(b"01234"), Bytes::from_static(b"56789")];
        assert_eq!(http2.stream(patch, &pieces).await.text(), "10");
        let answer = http2.get("/v2/").await;
        assert_eq!((answer.status, answer.text()), (200, "0"), "round {number}");
    }
    let seen = registry.seen();
    // A stray end would cost the connection, and the next request would be sent again on another.
    assert!(
        seen.iter().all(|seen| seen.connection == 0),
        "one connection to the registry"
    );
    let methods: Vec<String> = seen.into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["PATCH", "GET", "PATCH", "GET", "PATCH", "GET"]);
}

#[tokio::test]
async fn expect_100_continue_is_answered_by_the_registry() {
    let proxy = TestProxy::open().await;
    let _registry = Registry::start_early(
        &proxy.socket,
        |seen| {
            seen.target
                .contains("refused")
                .then(|| Reply::Raw(UNAUTHORISED.to_owned()))
        },
        |seen| ok("", &seen.body_length.to_string()),
    );
    let head =
        |target: &str| format!("PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let mut http1 = proxy.http1().await;
    http1.send(head("/v2/a/manifests/b")).await;
    assert_eq!(http1.head().await.status, 100);
    http1.send("hello").await;
    assert_eq!(http1.answer().await.text(), "5");
    // Without a 100 the client need not send anything. The connection was kept.
    http1.send(head("/v2/refused/manifests/b")).await;
    assert_eq!(http1.answer().await.status, 401);
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let proxy = TestProxy::open().await;
    let registry = Registry::start_early(
        &proxy.socket,
        |_| Some(Reply::Last(UNAUTHORISED.to_owned())),
        |_| Reply::Cut,
    );
    let length = 512 * 1024 * 1024;
    let mut http1 = proxy.http1().await;
    http1
        .send(format!(
            "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
    // Sends like a client that looks at the answer only when it has sent a good deal.
    let piece = vec![0; 1024 * 1024];
    let mut sent = 0;
    while sent < 16 && http1.try_send(&piece).await.is_ok() {
        sent += 1;
    }
    let answer = http1.answer().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "UNAUTHORIZED"));
    assert_eq!(answer.header("connection"), "close");
    // And the proxy does not take the rest for ever.
    let began = std::time::Instant::now();
    while sent < 512 && http1.try_send(&piece).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 512, "the whole body was taken in {:?}", began.elapsed());
    assert_eq!(registry.seen().len(), 1);

    let mut http2 = proxy.http2().await;
    let patch = request("/v2/a/blobs/uploads/1").method("PATCH").body(()).unwrap();
    let answer = http2.request(patch, Bytes::from(vec![3; 8 * 1024 * 1024])).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "UNAUTHORIZED"));
    assert_eq!(http2.get("/v2/").await.status, 401, "the connection lives on");
}
