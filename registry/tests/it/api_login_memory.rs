//! Many wrong logins at once: who is in stays in, and memory has a bound.

use std::io::ErrorKind;
use std::path::Path;

use lockgate_registry::{Frontend, accounts};
use lockgate_testkit::process::memory_kib;
use lockgate_testkit::{Client, basic_auth, own_process, sha256};

use crate::harness::Served;

const WITH_ACCOUNTS: &str = "\
storage: {filesystem: {rootdirectory: data}}
auth: {htpasswd: {realm: r, path: htpasswd}}
";
const WRONG_LOGINS: usize = 50;
/// What one check of mallory's password takes: far more than an account that is made here.
const HASH_MEMORY_KIB: u64 = 48 * 1024;
/// Threads, buffers, and what the allocator keeps.
const OTHER_MEMORY_KIB: u64 = 64 * 1024;

/// Runs [`a_pull_amid_wrong_logins`] in a process of its own, whose memory is then the registry's and a client's.
#[test]
fn wrong_logins_by_the_dozen_hinder_nobody_and_take_bounded_memory() {
    own_process::run("api_login_memory::a_pull_amid_wrong_logins", &[]);
}

#[test]
#[ignore = "measures the whole process; run by wrong_logins_by_the_dozen_hinder_nobody_and_take_bounded_memory"]
fn a_pull_amid_wrong_logins() {
    let served = Served::start(WITH_ACCOUNTS, Frontend::Other, prepare);
    let alice = basic_auth("alice:wonderland");
    let alice = [("Authorization", alice.as_str())];
    let digest = sha256(b"layer");
    let push = format!("/v2/a/blobs/uploads/?digest={digest}");
    served.send("POST", &push, &alice, b"layer").expect(201);
    let pull = || served.send("GET", &format!("/v2/a/blobs/{digest}"), &alice, b"");
    assert_eq!(pull().expect(200).body, b"layer");
    let before = memory_kib("self", "VmHWM");

    let wrong: Vec<WrongLogin> = (0..WRONG_LOGINS)
        .map(|number| WrongLogin::send(&served, number))
        .collect();
    for _ in 0..20 {
        assert_eq!(pull().expect(200).body, b"layer");
    }
    let answered = wrong.iter().filter(|login| login.is_answered()).count();
    assert!(answered < WRONG_LOGINS, "all wrong logins went before the pulls");

    let statuses: Vec<u16> = wrong.into_iter().map(WrongLogin::status).collect();
    let refused = statuses.iter().filter(|status| **status == 401).count();
    let slowed = statuses.iter().filter(|status| **status == 429).count();
    assert!(refused > 0 && refused + slowed == WRONG_LOGINS, "{statuses:?}");
    // One check a core but one, whatever the number of logins.
    let checks = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .saturating_sub(1)
        .max(1) as u64;
    let grown = memory_kib("self", "VmHWM") - before;
    assert!(
        grown < checks * HASH_MEMORY_KIB + OTHER_MEMORY_KIB,
        "{grown} KiB more than before"
    );
}

/// alice, and mallory with a hash that takes its time and memory.
fn prepare(home: &Path) {
    let alice = accounts::hash_password("wonderland").unwrap();
    let (salt, hash) = ("bG9ja2dhdGUtc2FsdDEy", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let mallory = format!("$argon2id$v=19$m={HASH_MEMORY_KIB},t=6,p=1${salt}${hash}");
    std::fs::write(home.join("htpasswd"), format!("alice:{alice}\nmallory:{mallory}\n")).unwrap();
}

/// A login on a connection of its own, whose answer nobody waits for yet.
struct WrongLogin(Client);

impl WrongLogin {
    fn send(served: &Served, number: usize) -> Self {
        let mut client = served.client();
        let login = basic_auth(&format!("mallory:guess {number}"));
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\nAuthorization: {login}\r\n\r\n");
        client.write(request).unwrap();
        Self(client)
    }

    fn is_answered(&self) -> bool {
        let stream = self.0.stream();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn status(mut self) -> u16 {
        self.0.answer().unwrap().status
    }
}
