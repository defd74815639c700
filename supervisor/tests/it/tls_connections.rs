//! Clients that are connected over TLS and rest: each was served, and is served again whatever went on meanwhile.

use std::sync::Arc;
use std::time::Instant;

use lockgate_testkit::{Client, eventually, missing, own_process, process, say, sha256, tls};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use crate::harness::{PLAIN, Running, Workdir, ready_pid};

const CONNECTIONS: usize = 2000;
/// What an idle connection may take of the proxy's memory, TLS included.
const KIB_PER_CONNECTION: u64 = 48;

/// Runs [`thousands`] in a process of its own: it raises the limit on descriptors.
#[test]
fn two_thousand_idle_tls_connections_are_held_through_a_push_and_a_pull() {
    let said = own_process::run("tls_connections::thousands", &[]);
    if let Some(figures) = said.lines().find(|line| line.contains("idle TLS connections")) {
        say(figures);
    }
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
    let trusting = tls::trusting(&workdir.read("lockgate/tls/ca.crt"));
    let proxy = ready_pid(&workdir, "proxy");
    let mut other = connect(&running, &trusting);
    assert_eq!(other.get("/v2/").status, 200);
    let before = process::memory_kib(proxy, "RssAnon");

    let began = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        // At once: a handshake has ten seconds.
        let mut client = connect(&running, &trusting);
        assert_eq!(client.get("/v2/").status, 200);
        idle.push(client);
    }
    let each = process::memory_kib(proxy, "RssAnon").saturating_sub(before) / CONNECTIONS as u64;
    println!(
        "\n{CONNECTIONS} idle TLS connections in {:.1?}, {each} KiB of the proxy's memory each",
        began.elapsed()
    );
    assert!(each <= KIB_PER_CONNECTION, "{each} KiB each");

    let content: Vec<u8> = (0..8_u32 << 20).map(|i| (i % 251) as u8).collect();
    push_and_pull(&mut other, &content);
    for client in &mut idle {
        assert_eq!(client.get("/v2/").status, 200, "it was held");
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
    let connect = || connect(&running, &tls::trusting(&authority));
    let mut kept = connect();
    assert_eq!(kept.get("/v2/").status, 200);
    let old = certificate(&kept);

    workdir.run(&["cert", "new", "--force"]).expect(0);
    eventually("the new certificate", || {
        let mut client = connect();
        assert_eq!(client.get("/v2/").status, 200, "nobody is turned away meanwhile");
        certificate(&client) != old
    });
    assert_eq!(kept.get("/v2/").status, 200, "it was held");
    assert_eq!(ready_pid(&workdir, "proxy"), proxy, "the same one all the time");
}

fn push_and_pull(client: &mut Client<tls::TlsStream>, content: &[u8]) {
    let begun = client.send("POST", "/v2/app/blobs/uploads/", &[], b"");
    begun.expect(202);
    let digest = sha256(content);
    client
        .send("PUT", &begun.location_with(&digest), &[], content)
        .expect(201);
    let pulled = client.get(&format!("/v2/app/blobs/{digest}"));
    assert!(pulled.status == 200 && pulled.body == content);
}

fn connect(running: &Running, trusting: &Arc<ClientConfig>) -> Client<tls::TlsStream> {
    Client::over(tls::connect(&running.address, "localhost", trusting).unwrap())
}

/// What the proxy showed.
fn certificate(client: &Client<tls::TlsStream>) -> CertificateDer<'static> {
    tls::chain(client.stream()).swap_remove(0)
}
