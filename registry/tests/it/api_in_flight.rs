//! Requests in flight are bounded where nobody stands in front; with Lockgate's proxy it sees to it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lockgate_registry::Frontend;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::harness::{OPEN, Served};

const LIMITS: &str = "http:\n  addr: 127.0.0.1:0\n  limits:\n    {maxrequests: 16, maxnetworkrequests: 4, requestwait: 1s, \
    bodytimeout: 3s, idletimeout: 1s}\n";

fn connect_from(to: SocketAddr, from: [u8; 4]) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn bodies_that_never_come_take_the_place_of_nobody_else() {
    let served = Served::start(&format!("{OPEN}{LIMITS}"), Frontend::Other, |_| {});
    let silent: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = connect_from(served.address(), [127, 0, 0, 66]);
            let head = "PUT /v2/a/manifests/b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..10 {
        // One that found no place would be answered 503.
        served.get("/v2/").expect(200);
    }
    let answers: Vec<String> = silent.into_iter().map(answer).collect();
    let of = |status: &str| answers.iter().filter(|answer| answer.starts_with(status)).count();
    // Four have a place and a deadline, four wait for a place in vain, the others are told at once.
    assert_eq!((of("HTTP/1.1 408"), of("HTTP/1.1 503")), (4, 16), "{answers:?}");
    for answer in answers {
        assert!(answer.contains("\"code\":\"UNAVAILABLE\""), "{answer}");
        let is_full = answer.starts_with("HTTP/1.1 503");
        assert_eq!(answer.contains("retry-after: 5\r\n"), is_full, "{answer}");
    }
}

#[test]
fn behind_the_own_proxy_nothing_waits_here() {
    let served = Served::start(&format!("{OPEN}{LIMITS}"), Frontend::Lockgate, |_| {});
    let mut silent = Vec::new();
    for _ in 0..8 {
        let mut stream = connect_from(served.address(), [127, 0, 0, 1]);
        let head = "PUT /v2/a/manifests/b HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        silent.push(stream);
    }
    served.get("/v2/").expect(200);
    // What the proxy asks before a body is sent.
    let check = [("X-Lockgate-Check", "head")];
    served.send("PUT", "/v2/a/manifests/b", &check, b"").expect(204);
    served.send("PATCH", "/v2/A/blobs/uploads/b", &check, b"").expect(400);
}

#[test]
fn nobody_but_the_own_proxy_asks_before_a_body() {
    let served = Served::start(&format!("{OPEN}{LIMITS}"), Frontend::Other, |_| {});
    served
        .send("PUT", "/v2/a/manifests/b", &[("X-Lockgate-Check", "head")], b"")
        .expect(400);
}

#[test]
fn an_upload_that_stalls_ends_and_can_be_gone_on_with() {
    let served = Served::start(&format!("{OPEN}{LIMITS}"), Frontend::Other, |_| {});
    let begun = served.send("POST", "/v2/a/blobs/uploads/", &[], b"");
    let location = begun.expect(202).location().to_owned();
    let mut stream = connect_from(served.address(), [127, 0, 0, 1]);
    let head =
        format!("PATCH {location} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1000\r\n\r\nhello");
    stream.write_all(head.as_bytes()).unwrap();
    assert!(answer(stream).starts_with("HTTP/1.1 408 "));
    assert_eq!(served.get(&location).expect(204).header("range"), "0-4");
}

#[test]
fn connections_beyond_the_limit_wait_until_one_ends() {
    // The server's threads share them out evenly.
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let limit = 2 * threads;
    let limits = format!("http: {{addr: 127.0.0.1:0, limits: {{maxconnections: {limit}}}}}\n");
    let served = Served::start(&format!("{OPEN}{limits}"), Frontend::Other, |_| {});
    let ask = |stream: &mut TcpStream| {
        stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        is_answered(stream)
    };
    let mut open: Vec<_> = (0..limit)
        .map(|_| connect_from(served.address(), [127, 0, 0, 1]))
        .collect();
    assert!(open.iter_mut().all(ask));
    let mut next = connect_from(served.address(), [127, 0, 0, 1]);
    next.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(!ask(&mut next), "it was served beyond the limit");
    open.pop();
    next.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(is_answered(&mut next));
}

fn is_answered(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 1024];
    stream
        .read(&mut answer)
        .is_ok_and(|length| answer[..length].starts_with(b"HTTP/1.1 200"))
}
