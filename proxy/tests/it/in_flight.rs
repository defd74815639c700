//! Requests in flight are bounded, in all and for each client network; who is signed in has a share of their own.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use lockgate_testkit::Answer;

use crate::client::{Http2, request};
use crate::harness::{Options, TestProxy};
use crate::scripted_registry::{Registry, Reply, ok};

const ATTACKER: [u8; 4] = [127, 0, 0, 66];

fn options() -> Options {
    Options {
        http: "  limits:\n    {maxrequests: 16, maxnetworkrequests: 8, requestwait: 2s, bodytimeout: 60s}\n".to_owned(),
        // There are accounts: not everybody is signed in.
        top: "auth: {htpasswd: {path: accounts}}\n".to_owned(),
        ..Options::default()
    }
}

fn registry(proxy: &TestProxy) -> Registry {
    proxy.registry(|seen| match seen.header("authorization").as_deref() {
        Some("Bearer good") => ok("X-Lockgate-User: admin\r\n", "admin"),
        _ => ok("", "nobody"),
    })
}

/// A request whose body never comes, by h2; its answer comes when there is one.
async fn silent(http2: &Http2) -> (Answer, h2::SendStream<Bytes>) {
    let post = request("/auth/token").method("POST").body(()).unwrap();
    http2.open(post).await
}

#[tokio::test]
async fn bodies_that_never_come_take_the_place_of_nobody_else() {
    let proxy = TestProxy::open_with(options()).await;
    let registry = registry(&proxy);
    let mut connections = Vec::new();
    for _ in 0..5 {
        connections.push(proxy.http2_from(ATTACKER).await);
    }
    let attack: Vec<_> = connections
        .iter()
        .flat_map(|http2| (0..100).map(|_| http2.clone()))
        .map(|http2| tokio::spawn(async move { silent(&http2).await }))
        .collect();
    // While they wait: other networks are served at once, a token request among them.
    for number in 1..=20 {
        let began = Instant::now();
        let mut other = proxy.http1_from([127, 0, 0, number]).await;
        other
            .send("POST /auth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b")
            .await;
        assert_eq!(other.answer().await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    assert_eq!(registry.seen().len(), 20);
    assert!(
        registry.connections() <= 20,
        "the attack opened connections to the registry"
    );
    // Four of the 500 have a place and wait for their bodies, eight wait for a place in vain, the others are refused.
    let mut refused = 0;
    let mut attack = futures_util::stream::FuturesUnordered::from_iter(attack);
    while refused < 496 {
        let (answer, _open) = attack.next().await.unwrap().unwrap();
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));
        assert!(answer.has("retry-after"));
        assert!(answer.text().contains("from your network"), "{}", answer.text());
        refused += 1;
    }
    assert_eq!(attack.len(), 4);
}

#[tokio::test]
async fn more_requests_than_places_wait_and_are_served() {
    let proxy = TestProxy::open_with(options()).await;
    let _registry = registry(&proxy);
    let http2 = proxy.http2().await;
    let answers = join_all((0..60).map(|number| {
        let mut http2 = http2.clone();
        async move { http2.get(&format!("/v2/{number}")).await.status }
    }))
    .await;
    // Four are served at a time, eight wait, and each is over in no time.
    let served = answers.iter().filter(|status| **status == 200).count();
    assert!(served >= 12, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 503].contains(status)), "{answers:?}");
}

#[tokio::test]
async fn who_is_signed_in_has_a_share_that_strangers_cannot_take() {
    let proxy = TestProxy::open_with(options()).await;
    let _registry = registry(&proxy);
    let signed_in = "Authorization: Bearer good\r\n";
    let mut owner = proxy.http1_from([127, 0, 0, 1]).await;
    assert_eq!(owner.request("GET", "/v2/", signed_in).await.text(), "admin");
    // Strangers of many networks, also of the owner's, each with a request whose body never comes.
    let mut held = Vec::new();
    for number in (1..=8).flat_map(|number| [number; 4]) {
        let mut stranger = proxy.http1_from([127, 0, 0, number]).await;
        stranger
            .send("POST /auth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
            .await;
        held.push(stranger);
    }
    let mut stranger = proxy.http1_from([127, 0, 0, 99]).await;
    let answer = stranger.get("/v2/").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "UNAVAILABLE"));
    for from in [[127, 0, 0, 1], [127, 0, 0, 100]] {
        let began = Instant::now();
        let mut owner = proxy.http1_from(from).await;
        assert_eq!(owner.request("GET", "/v2/", signed_in).await.text(), "admin");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    // Probes wait for nobody.
    let mut probe = proxy.http1_from([127, 0, 0, 101]).await;
    assert_eq!(probe.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_place_is_free_again_when_its_request_is_over() {
    let proxy = TestProxy::open_with(options()).await;
    let registry = proxy.registry(|seen| match seen.target.as_str() {
        "/v2/cut" => Reply::Cut,
        _ => ok("", ""),
    });
    for round in 0..30 {
        let mut http1 = proxy.http1().await;
        let target = if round % 2 == 0 { "/v2/cut" } else { "/v2/" };
        let answer = http1.request("DELETE", target, "").await;
        assert_eq!(answer.status, if round % 2 == 0 { 503 } else { 200 }, "{round}");
        // And one that leaves before it is answered.
        let mut gone = proxy.http1().await;
        gone.send("POST /auth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
            .await;
    }
    assert_eq!(registry.seen().len(), 30);
}
