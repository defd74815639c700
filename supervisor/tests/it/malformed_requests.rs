//! Requests that the registry's HTTP layer would refuse and hang up on: they fail for whoever sent them, and for nobody
//! else, although all share the proxy's connections to the registry.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lockgate_testkit::Answer;

use crate::harness::Workdir;

/// Requests of the other client, half of them POST and half DELETE.
const ROUNDS: usize = 1500;

fn fields(number: usize) -> String {
    // Host and Connection are two of them.
    (2..number).map(|index| format!("X-{index}: a\r\n")).collect()
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n{headers}\r\n")
}

/// What is sent, and the status that it gets.
fn odd_requests() -> Vec<(String, &'static str)> {
    vec![
        (get("/v2/", &fields(88)), "200"),
        (get("/v2/", &fields(89)), "431"),
        (get("/v2/", &fields(97)), "431"),
        (get("/v2/", &fields(200)), "431"),
        (get("?x", ""), "400"),
        (get("x", ""), "400"),
        (get("/v2/<x>/tags/list", ""), "400"),
        (get("/v2/x^y/tags/list", ""), "400"),
        (get("/v2/x/tags/list?n=`1`", ""), "400"),
        (get("http://r/v2/", ""), "200"),
        (get("http://r?x", ""), "200"),
        (get("ftp://r/v2/", ""), "400"),
        (get("/v2/", &format!("X: {}\r\n", "a".repeat(60_000))), "200"),
        (
            get("/v2/", "").replace("Host: r", &format!("Host: {}", "r".repeat(60_000))),
            "400",
        ),
        (get("/v2/", "Content-Length: 18446744073709551616\r\n"), "400"),
        (get("/v2/", "Content-Length: 99999999999999999999999\r\n"), "400"),
        (get("/v2/", "Expect: 200-ok\r\n"), "200"),
    ]
}

#[test]
fn an_odd_request_is_refused_with_the_reason() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    for (request, expected) in odd_requests() {
        let answer = running.http(&request);
        let shown = &request[..request.len().min(80)];
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{shown:?}: {answer}"
        );
        if expected != "200" {
            let body = Answer::of(&answer).json();
            let message = body["errors"][0]["message"].as_str().unwrap();
            assert_ne!(message, "the request cannot be served", "{shown:?}");
        }
    }
}

#[test]
fn odd_requests_of_one_client_fail_no_other() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let (done, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed: Vec<String> = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let odd = odd_requests();
                while !done.load(Ordering::Relaxed) {
                    for (request, _) in &odd {
                        running.http(request);
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut client = running.client();
        let mut failed = Vec::new();
        for _ in 0..ROUNDS / 2 {
            let mut ask = |method: &str, target: &str, expected: u16| {
                let asked = client.try_send(method, target, &[], b"");
                let answer = asked.map_err(|error| format!("{method} {error}"))?;
                let is_right = answer.status == expected;
                is_right.then_some(answer).ok_or_else(|| format!("{method} {expected}"))
            };
            let begun = ask("POST", "/v2/a/blobs/uploads/", 202);
            if let Err(failure) = begun.and_then(|begun| ask("DELETE", begun.location(), 204)) {
                failed.push(failure);
                client = running.client();
            }
        }
        done.store(true, Ordering::Relaxed);
        failed
    });
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent > 100, "only {sent} odd requests were sent");
    assert!(
        failed.is_empty(),
        "{} of {ROUNDS} failed beside {sent}: {failed:?}",
        failed.len()
    );
}
