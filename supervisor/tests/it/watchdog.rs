//! A process that lives and does nothing (SIGSTOP): what does not need it goes on, what does waits for the next one.

use std::io::{Read, Write};
use std::net::TcpStream;

use lockgate_testkit::{eventually, process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Running, Workdir, ready_pid};

/// More than the sockets on the way hold (tcp(7): 4 MiB to send, 6 to receive).
const LARGE: usize = 32 << 20;

/// Does not notice that it is stopped until the watchdog's time is over, 9 s.
fn stop(workdir: &Workdir, process: &str) -> Pid {
    let pid = ready_pid(workdir, process);
    kill(pid, Signal::SIGSTOP).unwrap();
    eventually("a stopped process", || is_stopped(pid));
    pid
}

fn is_stopped(pid: Pid) -> bool {
    process::status(pid, "State").starts_with('T')
}

fn content(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_le_bytes).take(length).collect()
}

fn digest_of(content: &[u8]) -> String {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(content);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A request with a body of `length` bytes, of which nothing is sent yet.
fn begin(running: &Running, method: &str, target: &str, length: usize) -> TcpStream {
    let mut stream = running.connect();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: r\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn push(running: &Running, content: &[u8]) -> String {
    let digest = digest_of(content);
    let target = format!("{}?digest={digest}", running.begin_upload());
    let mut put = begin(running, "PUT", &target, content.len());
    put.write_all(content).unwrap();
    let answer = answer(put);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    digest
}

/// The head of an answer; the body comes next.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

// proves: SECURE-11
#[test]
fn a_pull_does_not_need_the_registry_once_it_has_begun() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let content = content(LARGE);
    let target = format!("/v2/a/blobs/{}", push(&running, &content));
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        let mut pull = begin(&running, "GET", &target, 0);
        let head = head(&mut pull);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let registry = ready_pid(&workdir, "registry");
        if signal == Signal::SIGSTOP {
            stop(&workdir, "registry");
        } else {
            kill(registry, signal).unwrap();
        }
        let mut pulled = vec![0; LARGE];
        pull.read_exact(&mut pulled).unwrap();
        assert!(pulled == content, "{signal}");
        if signal == Signal::SIGSTOP {
            assert!(is_stopped(registry), "it took no part");
            kill(registry, Signal::SIGCONT).unwrap();
        }
    }
}

// proves: SECURE-11
#[test]
fn pushes_under_way_and_begun_meanwhile_outlive_a_registry_that_hangs() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let content = content(LARGE);
    let digest = digest_of(&content);
    let [under_way, meanwhile] = [(); 2].map(|()| running.begin_upload());
    let mut push = begin(&running, "PATCH", &under_way, LARGE);
    let (first, rest) = content.split_at(LARGE / 2);
    push.write_all(first).unwrap();

    let hung = stop(&workdir, "registry");
    let mut second = begin(&running, "PATCH", &meanwhile, 5);
    second.write_all(b"hello").unwrap();
    let pull = begin(&running, "GET", "/v2/a/tags/list", 0);
    // Waits where the sockets are full, until there is another registry.
    push.write_all(rest).unwrap();
    for (answer, status) in [(answer(push), "202"), (answer(second), "202"), (answer(pull), "404")] {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    assert_ne!(ready_pid(&workdir, "registry"), hung);
    running.logged("it stopped answering the watchdog", 1);

    for (path, digest) in [(under_way, digest), (meanwhile, digest_of(b"hello"))] {
        let stored = answer(begin(&running, "PUT", &format!("{path}?digest={digest}"), 0));
        assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
    }
}

#[test]
fn a_proxy_that_hangs_is_replaced_and_those_who_come_meanwhile_are_served() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let cut = begin(&running, "GET", "/v2/", 0);
    assert!(answer(cut).starts_with("HTTP/1.1 200"));
    let hung = stop(&workdir, "proxy");
    // Taken by the listening socket, which is nobody's alone.
    assert_eq!(running.get("/v2/"), "200");
    assert_ne!(ready_pid(&workdir, "proxy"), hung);
    let said = "killed: it stopped answering the watchdog child=proxy";
    assert!(running.log().contains(said), "{}", running.log());
}
