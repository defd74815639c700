//! Slow clients by the hundred: they end by themselves, and nobody else waits for them.

use futures_util::future::join_all;
use lockgate_testkit::AsyncClient;

use crate::harness::{Options, TestProxy};
use crate::scripted_registry::ok;

const HUNDRED: usize = 100;

/// A head that never ends, and a body of which nothing more comes.
const SLOW: [&str; 2] = [
    "GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ",
    "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n12345",
];

#[tokio::test]
async fn slow_heads_and_bodies_by_the_hundred_hinder_nobody() {
    let proxy = TestProxy::open().await;
    let _registry = proxy.registry(|seen| ok("", &seen.target));
    let mut slow = connected(&proxy).await;
    for number in 0..20 {
        let target = format!("/v2/{number}");
        assert_eq!(proxy.http1().await.get(&target).await.text(), target);
    }
    // The slow ones are still there: what they began, they may end.
    let mut body = slow.swap_remove(1);
    body.send(vec![0; 995]).await;
    assert_eq!(body.answer().await.status, 200);
}

#[tokio::test]
async fn slow_heads_and_bodies_by_the_hundred_are_answered_408() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    idletimeout: 2s\n")).await;
    let registry = proxy.registry(|_| ok("", ""));
    let slow = connected(&proxy).await;
    let answers = join_all(slow.into_iter().map(async |mut client| client.answer().await)).await;
    for answer in answers {
        assert_eq!((answer.status, answer.error_code().as_str()), (408, "UNAVAILABLE"));
    }
    assert!(registry.seen().is_empty(), "no request was whole");
    assert_eq!(proxy.http1().await.get("/v2/").await.status, 200);
}

/// A hundred, half of each kind.
async fn connected(proxy: &TestProxy) -> Vec<AsyncClient> {
    let mut slow = Vec::new();
    for number in 0..HUNDRED {
        let mut client = proxy.http1().await;
        client.send(SLOW[number % 2]).await;
        slow.push(client);
    }
    slow
}
