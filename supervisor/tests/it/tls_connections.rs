//! Clients that are connected over TLS and rest: each was served, and is served again whatever went on meanwhile.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use lockgate_testkit::missing;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sha2::{Digest, Sha256};

use crate::harness::{PATIENCE, PLAIN, Running, Workdir, eventually, process_status, ready_pid};
use crate::tls::trusting;

const CONNECTIONS: usize = 2000;
/// What an idle connection may take of the proxy's memory, TLS included.
const KIB_PER_CONNECTION: u64 = 48;

/// Runs [`thousands`] in a process of its own: it raises the limit on descriptors.
#[test]
fn two_thousand_idle_tls_connections_are_held_through_a_push_and_a_pull() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls_connections::thousands", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Past what the test runner swallows.
    let figures = said.lines().find(|line| line.contains("idle TLS connections"));
    let _ = writeln!(std::io::stderr(), "{}", figures.unwrap_or(&said));
}

#[test]
#[ignore = "raises a limit of the whole process; two_thousand_idle_tls_connections_are_held_through_a_push_and_a_pull runs it"]
fn thousands() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    if hard < CONNECTIONS as u64 + 100 {
        let limit = format!("a hard limit of {CONNECTIONS} descriptors and some more (it is {hard})");
        missing(&limit, "ulimit -Hn 4096, or the same in /etc/security/limits.conf");
        return;
    }
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + "  tls: {auto: {}}\n"));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    let tls = trusting(&workdir.read("lockgate/tls/ca.crt"));
    let proxy = ready_pid(&workdir, "proxy");
    let mut other = Client::connect(&running, &tls);
    assert_eq!(other.ask("GET", "/v2/", b"").status, 200);
    let before = own_memory_kib(proxy);

    let began = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        // At once: a handshake has ten seconds.
        let mut client = Client::connect(&running, &tls);
        assert_eq!(client.ask("GET", "/v2/", b"").status, 200);
        idle.push(client);
    }
    let each = own_memory_kib(proxy).saturating_sub(before) / CONNECTIONS as u64;
    println!(
        "\n{CONNECTIONS} idle TLS connections in {:.1?}, {each} KiB of the proxy's memory each",
        began.elapsed()
    );
    assert!(each <= KIB_PER_CONNECTION, "{each} KiB each");

    let content: Vec<u8> = (0..8_u32 << 20).map(|i| (i % 251) as u8).collect();
    push_and_pull(&mut other, &content);
    for client in &mut idle {
        assert_eq!(client.ask("GET", "/v2/", b"").status, 200, "it was held");
    }
    assert_eq!(ready_pid(&workdir, "proxy"), proxy, "the same one all the time");
}

#[test]
fn a_new_certificate_is_shown_and_open_connections_go_on() {
    // proves: MAKINA-16
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + "  tls: {auto: {}}\n"));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    let authority = workdir.read("lockgate/tls/ca.crt");
    let proxy = ready_pid(&workdir, "proxy");
    // Settings of its own: a session that is resumed shows nothing.
    let connect = || Client::connect(&running, &trusting(&authority));
    let mut kept = connect();
    assert_eq!(kept.ask("GET", "/v2/", b"").status, 200);
    let old = kept.certificate();

    workdir.run(&["cert", "new", "--force"]).expect(0);
    eventually("the new certificate", || {
        let mut client = connect();
        assert_eq!(
            client.ask("GET", "/v2/", b"").status,
            200,
            "nobody is turned away meanwhile"
        );
        (client.certificate() != old).then_some(())
    });
    assert_eq!(kept.ask("GET", "/v2/", b"").status, 200, "it was held");
    assert_eq!(ready_pid(&workdir, "proxy"), proxy, "the same one all the time");
}

fn push_and_pull(client: &mut Client, content: &[u8]) {
    let begun = client.ask("POST", "/v2/app/blobs/uploads/", b"");
    assert_eq!(begun.status, 202);
    let path = begun
        .location
        .split_once("://")
        .map_or(&*begun.location, |(_, rest)| &rest[rest.find('/').unwrap()..]);
    let digest = Sha256::digest(content)
        .iter()
        .fold("sha256:".to_owned(), |mut digest, byte| {
            let _ = write!(digest, "{byte:02x}");
            digest
        });
    let separator = if path.contains('?') { '&' } else { '?' };
    let stored = client.ask("PUT", &format!("{path}{separator}digest={digest}"), content);
    assert_eq!(stored.status, 201);
    let pulled = client.ask("GET", &format!("/v2/app/blobs/{digest}"), b"");
    assert!(pulled.status == 200 && pulled.body == content);
}

/// One connection, which stays open between requests.
struct Client(StreamOwned<ClientConnection, TcpStream>);

struct Answer {
    status: u16,
    location: String,
    body: Vec<u8>,
}

impl Client {
    fn connect(running: &Running, tls: &Arc<ClientConfig>) -> Self {
        let name = "localhost".try_into().unwrap();
        let connection = ClientConnection::new(tls.clone(), name).unwrap();
        let stream = running.connect();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(StreamOwned::new(connection, stream))
    }

    /// What the proxy showed.
    fn certificate(&self) -> CertificateDer<'static> {
        self.0.conn.peer_certificates().expect("a handshake")[0]
            .clone()
            .into_owned()
    }

    fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Answer {
        let length = body.len();
        write!(
            self.0,
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        self.0.write_all(body).unwrap();
        self.0.flush().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            fields
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        let mut body = vec![0; field("content-length").map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            location: field("location").unwrap_or_default().to_owned(),
            body,
        }
    }
}

/// What the process has of memory that is its alone; its PSS is root's to see.
fn own_memory_kib(pid: Pid) -> u64 {
    let anonymous = process_status(pid, "RssAnon");
    anonymous.trim_end_matches(" kB").parse().unwrap()
}
