//! `http.debug`: health and metrics on a listener of their own, and on no other.

use std::net::TcpListener;
use std::path::Path;

use lockgate_testkit::{Client, eventually};
use nix::sys::signal::{Signal, kill};

use crate::harness::{PLAIN, Workdir, ready_pid};

const DEBUG: &str = "  debug: {addr: \"unix:debug.sock\", prometheus: {enabled: true}}\n";
const OTHERS: [&str; 12] = [
    "/debug/health",
    "/debug/vars",
    "/debug",
    "/metrics",
    "//metrics",
    "/%6detrics",
    "/%64ebug/health",
    "/debug%2fhealth",
    "/debug%252fhealth",
    "/v2/../metrics",
    "/./debug/health",
    "/v2/%2e%2e/debug/health",
];

/// Status and body of the answer to method and target.
fn ask(socket: &Path, request: &str) -> (u16, String) {
    let (method, target) = request.split_once(' ').unwrap();
    let answer = Client::unix(socket).send(method, target, &[], b"");
    (answer.status, answer.text().to_owned())
}

#[test]
fn health_and_metrics_are_told_there_and_nowhere_else() {
    // proves: MAKINA-15
    let workdir = Workdir::new();
    workdir.write("site/index.html", "a site");
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + DEBUG + "  docroot: site\n"));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    let debug = workdir.path("debug.sock");
    assert_eq!(ask(&debug, "GET /debug/health"), (200, "{}".into()));
    assert_eq!(running.get("/v2/"), "200");
    assert_eq!(running.get("/v2/a/manifests/b"), "404");

    let (status, metrics) = ask(&debug, "GET /metrics");
    assert_eq!(status, 200);
    for line in [
        "# TYPE registry_http_requests_total counter",
        "registry_http_requests_total{code=\"200\",handler=\"base\",method=\"get\"} 1",
        "registry_http_requests_total{code=\"404\",handler=\"manifest\",method=\"get\"} 1",
        "registry_http_request_duration_seconds_bucket{handler=\"base\",method=\"get\",le=\"60\"} 1",
        "registry_http_request_duration_seconds_count{handler=\"base\",method=\"get\"} 1",
        "registry_http_in_flight_requests{handler=\"base\"} 0",
    ] {
        assert!(
            metrics.lines().any(|shown| shown == line),
            "{line} is not in:\n{metrics}"
        );
    }
    for request in ["POST /debug/health", "GET /v2/", "GET /", "GET /debug/vars"] {
        assert_eq!(ask(&debug, request).0, 404, "{request}");
    }

    for path in OTHERS {
        for method in ["GET", "HEAD", "POST"] {
            let public = running.http(&format!(
                "{method} {path} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n"
            ));
            let status = public.split(' ').nth(1).unwrap_or_default();
            assert!(["400", "404", "405"].contains(&status), "{method} {path}: {public}");
            let (status, body) = ask(&workdir.path("lockgate/run/registry.sock"), &format!("{method} {path}"));
            assert!([400, 404, 405].contains(&status), "{method} {path}: {status} {body}");
        }
    }
    assert_eq!(running.get("/"), "200", "the docroot is served all the same");
}

#[test]
fn a_registry_that_dies_leaves_the_debug_listener_open() {
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + DEBUG));
    let _running = workdir.start(&["--config", config.to_str().unwrap()]);
    kill(ready_pid(&workdir, "registry"), Signal::SIGKILL).unwrap();
    // Waits where the supervisor keeps it, and is answered by the next one.
    assert_eq!(ask(&workdir.path("debug.sock"), "GET /debug/health").0, 200);
}

#[test]
fn a_storage_that_fails_is_told_with_its_reason() {
    // proves: MAKINA-15, HOMELAB-07
    let workdir = Workdir::new();
    let health = "health: {storagedriver: {enabled: true, interval: 20ms, threshold: 2}}\n";
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + DEBUG + health));
    let _running = workdir.start(&["--config", config.to_str().unwrap()]);
    let debug = workdir.path("debug.sock");
    std::fs::rename(workdir.path("data"), workdir.path("away")).unwrap();
    let body = eventually("503", || {
        let (status, body) = ask(&debug, "GET /debug/health");
        (status == 503).then_some(body)
    });
    assert!(body.starts_with("{\"storagedriver_filesystem\":\""), "{body}");
    std::fs::rename(workdir.path("away"), workdir.path("data")).unwrap();
    eventually("200", || ask(&debug, "GET /debug/health").0 == 200);
}

#[test]
fn an_address_that_cannot_be_had_or_that_others_reach_is_told() {
    let workdir = Workdir::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!("{PLAIN}  debug: {{addr: \"{address}\"}}\n");
    let config = workdir.write("config.yml", &text);
    for command in ["start", "registry"] {
        let ran = workdir.run(&[command, "--config", config.to_str().unwrap()]).expect(1);
        let expected = format!("http.debug.addr {address}: already in use by another program");
        assert!(ran.stderr.contains(&expected), "{command}: {}", ran.stderr);
        assert!(!ran.stderr.contains("--listen"), "{}", ran.stderr);
    }
    workdir.write(
        "config.yml",
        &text
            .replace("127.0.0.1:0", "127.0.0.1:5000")
            .replace(&address.to_string(), ":5001"),
    );
    let checked = workdir.run(&["check", "--config", config.to_str().unwrap()]).expect(0);
    assert!(
        checked.stdout.contains("http.debug.addr") && checked.stdout.contains("other machines"),
        "{}",
        checked.stdout
    );
    workdir.write(
        "config.yml",
        &text
            .replace("127.0.0.1:0", ":5001")
            .replace(&address.to_string(), ":5001"),
    );
    workdir.run(&["check", "--config", config.to_str().unwrap()]).expect(78);
}
