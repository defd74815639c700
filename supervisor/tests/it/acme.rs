//! `http.tls.letsencrypt` against a real ACME server.

use std::path::PathBuf;
use std::process::Command;

use lockgate_testkit::pebble::{self, NameServer, Pebble};
use lockgate_testkit::{Client, TIMEOUT, address, eventually, tls};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::harness::{Running, Workdir, status};

/// A name that leads to the loopback address, at pebble's name server alone.
const HOST: &str = "registry.lockgate.lan";

/// A registry whose certificate is ordered from pebble.
struct Site {
    workdir: Workdir,
    pebble: pebble::Config,
    /// The authority of pebble's own certificate.
    trusted: PathBuf,
}

impl Site {
    fn new() -> Self {
        let workdir = Workdir::new();
        let [directory, management, http, tls, names, names_management] = address::free_ports();
        let pebble = pebble::Config {
            directory,
            management,
            http,
            tls,
            name_server: Some(NameServer {
                names,
                management: names_management,
            }),
        };
        let trusted = pebble.make_certificate(&workdir.path(""));
        Self {
            workdir,
            pebble,
            trusted,
        }
    }

    /// `http`: further lines below `http:`.
    fn configure(&self, http: &str) {
        let (tls, url) = (self.pebble.tls, self.pebble.url());
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: data\nhttp:\n  addr: 127.0.0.1:{tls}\n  \
             tls:\n    letsencrypt:\n      cachefile: cache\n      hosts: [{HOST}]\n      \
             directoryurl: {url}\n{http}"
        );
        self.workdir.write("config.yml", &text);
    }

    fn start(&self) -> Running {
        let mut command = self.workdir.command(&["start", "--config", "config.yml"]);
        command.env("SSL_CERT_FILE", &self.trusted);
        Running::of(command, &self.workdir.path("stderr"))
    }

    fn pebble(&self) -> Pebble {
        Pebble::start(&self.workdir.path(""), Command::new("pebble"), &self.pebble).wait(&self.pebble)
    }

    /// The certificate that whoever trusts pebble's certificates trusts.
    fn root(&self) -> String {
        Pebble::root(&self.pebble, &self.trusted)
    }

    /// What a client says that trusts `root` alone: the status, or why it went away.
    fn ask(&self, root: &str) -> std::io::Result<u16> {
        let stream = tls::connect(("127.0.0.1", self.pebble.tls), HOST, &tls::trusting(root))?;
        Ok(Client::over(stream).try_send("GET", "/v2/", &[], b"")?.status)
    }

    /// Waits until that client is answered.
    fn is_trusted(&self, running: &Running) {
        let root = self.root();
        let began = std::time::Instant::now();
        let status = eventually("a certificate", || match self.ask(&root) {
            Ok(status) => Some(status),
            // Before `eventually` gives up, which cannot say why.
            Err(why) if began.elapsed() > TIMEOUT * 9 / 10 => {
                let (log, pebble) = (running.log(), self.workdir.read("pebble.log"));
                panic!("{why}; {}\n{log}\n{pebble}", self.problem())
            }
            Err(_) => None,
        });
        assert_eq!(status, 200);
    }

    fn cached(&self, file: &str) -> String {
        format!("cache/127.0.0.1-{}-dir/{file}", self.pebble.directory)
    }

    fn attempt(&self) -> Value {
        serde_json::from_str(&self.workdir.read(&self.cached("attempt.json"))).unwrap()
    }

    fn problem(&self) -> String {
        status(&self.workdir)["certificate_problem"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// A certificate that was ordered long ago, with `days` of 90 left.
    fn keep_certificate(&self, days: i64) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
        params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        params.not_before = params.not_after - Duration::days(90);
        let certificate = params.self_signed(&key).unwrap().pem();
        self.workdir
            .write(&self.cached("registry.pem"), &(key.serialize_pem() + &certificate));
        certificate
    }
}

fn answers_left(site: &Site) -> usize {
    site.workdir.files("lockgate/run/acme").len()
}

#[test]
fn the_first_certificate_is_ordered_over_tls_and_kept() {
    if !pebble::is_here() {
        return;
    }
    let site = Site::new();
    site.configure("");
    let _pebble = site.pebble();
    let running = site.start();
    // Nobody waits for the order; whoever looks is told.
    assert!(running.banner.contains("Certificate: "), "{}", running.banner);
    site.is_trusted(&running);
    eventually("a status without a problem", || site.problem().is_empty());
    let log = running.log();
    assert!(log.contains("tls-alpn-01") && !log.contains("ERROR"), "{log}");
    for file in ["account.json", "registry.pem"] {
        assert_eq!(site.workdir.mode(&site.cached(file)), 0o600, "{file}");
    }
    assert_eq!(site.workdir.mode("lockgate/tls/registry.key"), 0o600);
    assert!(!site.workdir.path(&site.cached("attempt.json")).exists());
    assert_eq!(answers_left(&site), 0);

    // Another start orders nothing, and shows the same at once.
    let shown = site.workdir.read("lockgate/tls/registry.crt");
    drop(running);
    std::fs::remove_dir_all(site.workdir.path("lockgate/tls")).unwrap();
    let running = site.start();
    assert!(!running.banner.contains("Certificate: "), "{}", running.banner);
    assert_eq!(site.ask(&site.root()).unwrap(), 200);
    assert_eq!(site.workdir.read("lockgate/tls/registry.crt"), shown);
    assert!(!running.log().contains("ordering"), "{}", running.log());
}

#[test]
fn the_first_certificate_is_ordered_over_plain_http() {
    if !pebble::is_here() {
        return;
    }
    let site = Site::new();
    site.configure(&format!("  redirecthttps: 127.0.0.1:{}\n", site.pebble.http));
    let _pebble = site.pebble();
    let running = site.start();
    site.is_trusted(&running);
    let log = running.log();
    assert!(log.contains("http-01") && !log.contains("tls-alpn-01"), "{log}");
    eventually("no answers left", || answers_left(&site) == 0);
}

#[test]
fn a_certificate_is_renewed_in_its_last_third_without_a_restart() {
    if !pebble::is_here() {
        return;
    }
    let site = Site::new();
    site.configure("");
    let old = site.keep_certificate(31);
    let running = site.start();
    assert_eq!(site.ask(&old).unwrap(), 200);
    assert!(
        !running.log().contains("ordering"),
        "31 of 90 days are more than a third"
    );
    drop(running);

    let old = site.keep_certificate(29);
    let _pebble = site.pebble();
    let running = site.start();
    assert!(!running.banner.contains("Certificate: "), "{}", running.banner);
    site.is_trusted(&running);
    assert_ne!(site.workdir.read("lockgate/tls/registry.crt"), old);
    assert!(running.log().contains("a third of its time"), "{}", running.log());
}

#[test]
fn a_failure_keeps_the_present_certificate_and_waits_longer_each_time() {
    if !pebble::is_here() {
        return;
    }
    let site = Site::new();
    site.configure("");
    let old = site.keep_certificate(5);
    // Nobody listens where the server should be.
    let running = site.start();
    let problem = eventually("a failure", || {
        Some(site.problem()).filter(|problem| problem.contains("attempt 1"))
    });
    assert!(problem.contains("onnection refused"), "{problem}");
    assert!(
        problem.contains("the next one in") && problem.contains("the present certificate goes on"),
        "{problem}"
    );
    let table = site.workdir.run(&["status"]).expect(3).stdout;
    assert!(table.contains("certificate: "), "{table}");
    assert_eq!(site.ask(&old).unwrap(), 200);
    let attempt = site.attempt();
    let wait = attempt["not_before"].as_u64().unwrap() - attempt["began"].as_u64().unwrap();
    assert!((120..=144).contains(&wait), "{attempt}");

    // Starting again is no way round the wait.
    drop(running);
    let running = site.start();
    assert_eq!(site.ask(&old).unwrap(), 200);
    assert_eq!(site.attempt(), attempt);
    assert!(!running.log().contains("ordering"), "{}", running.log());

    // A person who mended it is.
    let _pebble = site.pebble();
    site.workdir.run(&["reload"]).expect(0);
    site.is_trusted(&running);
    eventually("a status without a problem", || site.problem().is_empty());
}

#[test]
fn a_new_name_takes_no_certificate_from_the_others() {
    if !pebble::is_here() {
        return;
    }
    let site = Site::new();
    site.configure("");
    let old = site.keep_certificate(60);
    let _running = site.start();
    assert_eq!(site.ask(&old).unwrap(), 200);
    // Nobody listens where the server should be.
    let more = site
        .workdir
        .read("config.yml")
        .replace(HOST, &format!("{HOST}, more.lockgate.lan"));
    site.workdir.write("config.yml", &more);
    let problem = eventually("a failure", || {
        Some(site.problem()).filter(|problem| problem.contains("attempt 1"))
    });
    assert!(problem.contains("goes on, without all names"), "{problem}");
    assert_eq!(site.ask(&old).unwrap(), 200);
}

#[test]
fn a_name_that_leads_elsewhere_is_told_with_the_servers_reason() {
    if !pebble::is_here() {
        return;
    }
    let mut site = Site::new();
    site.configure("");
    let serving = site.pebble.tls;
    // The server looks at a port where nobody is.
    site.pebble.tls = site.pebble.http;
    let _pebble = site.pebble();
    site.pebble.tls = serving;
    let running = site.start();
    let problem = eventually("a failure", || {
        Some(site.problem()).filter(|problem| problem.contains("attempt 1"))
    });
    assert!(
        problem.starts_with(&format!("{HOST}: tls-alpn-01 failed: ")),
        "{problem}"
    );
    assert!(problem.contains("Failed to connect"), "{problem}");
    assert!(problem.contains("one that they do not trust"), "{problem}");
    running.logged("no certificate could be had", 1);
    // What was shown to nobody who mattered is served on.
    let makeshift = site.workdir.read("lockgate/tls/registry.crt");
    assert_eq!(site.ask(&makeshift).unwrap(), 200);
}

#[test]
fn a_server_of_an_unknown_authority_is_not_believed() {
    if !pebble::is_here() {
        return;
    }
    let site = Site::new();
    site.configure("");
    let _pebble = site.pebble();
    let mut command = site.workdir.command(&["start", "--config", "config.yml"]);
    // As in an image from scratch.
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env(variable, site.workdir.path("none"));
    }
    let running = Running::of(command, &site.workdir.path("stderr"));
    let problem = eventually("a failure", || {
        Some(site.problem()).filter(|problem| problem.contains("attempt 1"))
    });
    assert!(problem.contains("UnknownIssuer"), "{problem}");
    assert!(running.log().contains("the list that is built in"), "{}", running.log());
}

#[test]
fn an_order_that_is_stopped_does_not_count_as_a_failed_one() {
    let site = Site::new();
    site.configure("");
    // A server that never says a word.
    let _silent = std::net::TcpListener::bind(("127.0.0.1", site.pebble.directory)).unwrap();
    let mut running = site.start();
    let path = site.workdir.path(&site.cached("attempt.json"));
    eventually("an attempt", || path.exists());
    assert!(site.problem().contains("being ordered"), "{}", site.problem());
    site.workdir.run(&["stop"]).expect(0);
    assert_eq!(running.wait().code(), Some(0));
    assert!(!path.exists(), "{}", site.attempt());
    assert!(!running.log().contains("ERROR"), "{}", running.log());
}
