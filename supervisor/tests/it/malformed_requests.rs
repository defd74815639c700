//! Requests that the registry's HTTP layer would refuse and hang up on: they fail for whoever sent them, and for nobody
//! else, although all share the proxy's connections to the registry.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::{Running, Workdir};

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

fn status(running: &Running, request: &str) -> String {
    let answer = running.http(request);
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// One connection that is used again and again.
struct Client(TcpStream);

impl Client {
    fn ask(&mut self, method: &str, target: &str) -> (String, String) {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n");
        self.0.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if self.0.read(&mut byte).unwrap() == 0 {
                break;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        let length = field("content-length: ").map_or(0, |length| length.parse().unwrap());
        self.0.read_exact(&mut vec![0; length]).unwrap();
        let location = field("location: ").unwrap_or_default();
        let path = location.find("/v2/").map(|at| location[at..].to_owned());
        (
            head.split(' ').nth(1).unwrap_or_default().to_owned(),
            path.unwrap_or_default(),
        )
    }
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
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let body: serde_json::Value =
                serde_json::from_str(body).unwrap_or_else(|error| panic!("{shown:?}: {error}: {answer}"));
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
                        status(&running, request);
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut client = Client(running.connect());
        let mut failed = Vec::new();
        for _ in 0..ROUNDS / 2 {
            let (status, upload) = client.ask("POST", "/v2/a/blobs/uploads/");
            if status != "202" {
                failed.push(format!("POST {status}"));
                client = Client(running.connect());
                continue;
            }
            let (status, _) = client.ask("DELETE", &upload);
            if status != "204" {
                failed.push(format!("DELETE {status}"));
                client = Client(running.connect());
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
