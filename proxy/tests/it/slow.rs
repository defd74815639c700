//! Slow clients by the hundred: they end by themselves, and nobody else waits for them.

use futures_util::future::join_all;

use crate::client::Http1;
use crate::door::{Door, Options};
use crate::registry::ok;

const HUNDRED: usize = 100;

/// A head that never ends, and a body of which nothing more comes.
const SLOW: [&str; 2] = [
    "GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ",
    "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n12345",
];

#[tokio::test]
async fn slow_heads_and_bodies_by_the_hundred_hinder_nobody() {
    let door = Door::open().await;
    let _registry = door.registry(|seen| ok("", &seen.target));
    let mut slow = connected(&door).await;
    for number in 0..20 {
        let target = format!("/v2/{number}");
        assert_eq!(Http1::connect(&door).await.get(&target).await.text(), target);
    }
    // The slow ones are still there: what they began, they may end.
    let mut body = slow.swap_remove(1);
    body.send(vec![0; 995]).await;
    assert_eq!(body.answer(false).await.status, 200);
}

#[tokio::test]
async fn slow_heads_and_bodies_by_the_hundred_are_answered_408() {
    let door = Door::open_with(Options::http("  limits:\n    idletimeout: 2s\n")).await;
    let registry = door.registry(|_| ok("", ""));
    let slow = connected(&door).await;
    let answers = join_all(slow.into_iter().map(async |mut client| client.answer(false).await)).await;
    for answer in answers {
        assert_eq!((answer.status, answer.error_code().as_str()), (408, "UNAVAILABLE"));
    }
    assert!(registry.seen().is_empty(), "no request was whole");
    assert_eq!(Http1::connect(&door).await.get("/v2/").await.status, 200);
}

/// Runs [`thousands`] in a process of its own: it raises the limit on descriptors.
#[test]
fn two_thousand_idle_connections_are_held_beside_requests() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "slow::thousands", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "raises a limit of the whole process; run by two_thousand_idle_connections_are_held_beside_requests"]
async fn thousands() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let door = Door::open().await;
    let registry = door.registry(|seen| ok("", &seen.target));
    // Each has been served once, and stays.
    let mut idle = Vec::new();
    for _ in 0..2000 {
        let mut client = Http1::connect(&door).await;
        assert_eq!(client.get("/v2/").await.status, 200);
        idle.push(client);
    }
    let body = vec![7; 4 << 20];
    let mut pushing = Http1::connect(&door).await;
    let head = format!(
        "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    pushing.send(head).await;
    pushing.send(body.clone()).await;
    assert_eq!(pushing.answer(false).await.status, 200);
    assert_eq!(registry.seen().last().unwrap().body_length, body.len());
    for client in &mut idle {
        assert_eq!(client.get("/v2/").await.status, 200, "it was held");
    }
}

/// A hundred, half of each kind.
async fn connected(door: &Door) -> Vec<Http1> {
    let mut slow = Vec::new();
    for number in 0..HUNDRED {
        let mut client = Http1::connect(door).await;
        client.send(SLOW[number % 2]).await;
        slow.push(client);
    }
    slow
}
