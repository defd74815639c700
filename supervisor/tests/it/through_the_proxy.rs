//! What proxy and registry make of a request together, where each has its part: the realm of a challenge, preflights,
//! clean paths, HTTP/1.0.

use crate::harness::{Running, Workdir};

const CONFIG: &str = "version: 0.1
storage: {filesystem: {rootdirectory: data}}
http:
  addr: 127.0.0.1:0
  headers:
    Access-Control-Allow-Origin: ['https://ui.example']
    Access-Control-Allow-Methods: [HEAD, GET, DELETE]
auth:
  htpasswd: {path: htpasswd}
  issuer: {}
";

fn start(workdir: &Workdir, config: &str) -> Running {
    // alice:secret, as Apache's htpasswd writes it with -s.
    workdir.write(
        "htpasswd",
        "alice:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n",
    );
    let config = workdir.write("config.yml", config);
    workdir.start(&["--config", config.to_str().unwrap()])
}

fn ask(running: &Running, line: &str, headers: &str) -> String {
    running.http(&format!("{line}\r\nConnection: close\r\n{headers}\r\n"))
}

#[test]
fn a_realm_is_https_as_soon_as_anybody_says_so() {
    let workdir = Workdir::new();
    let running = start(&workdir, CONFIG);
    for (headers, realm) in [
        ("Host: localhost:5000", "http://localhost:5000/auth/token"),
        ("Host: hub\r\nX-Forwarded-Proto: https", "https://hub/auth/token"),
        (
            "Host: hub\r\nX-Forwarded-Proto: HTTPS, http\r\nX-Forwarded-Host: evil",
            "https://hub/auth/token",
        ),
        (
            "Host: hub\r\nForwarded: for=192.0.2.7;proto=https;host=evil",
            "https://hub/auth/token",
        ),
        ("Host: a,b\r\nX-Forwarded-Proto: https", "https://a,b/auth/token"),
        ("Host: a'b\r\nX-Forwarded-Proto: https", "https://a'b/auth/token"),
        (
            "Host: a,b:5043\r\nX-Forwarded-Proto: https",
            "https://a,b:5043/auth/token",
        ),
        (
            "Host: [::1]:5043\r\nX-Forwarded-Proto: https",
            "https://[::1]:5043/auth/token",
        ),
    ] {
        let answer = ask(&running, "GET /v2/ HTTP/1.1", &format!("{headers}\r\n"));
        assert!(
            answer.contains(&format!("Bearer realm=\"{realm}\"")),
            "{headers}: {answer}"
        );
    }
    let warning = "http.host: not set";
    assert!(running.log().contains(warning), "{}", running.log());
    let check = workdir.run(&["check", "--config", workdir.path("config.yml").to_str().unwrap()]);
    assert!(check.expect(0).stdout.contains(warning));
}

#[test]
fn a_trusted_proxy_names_the_realm() {
    let workdir = Workdir::new();
    let config = CONFIG.replace("  headers:", "  trustedproxies: [127.0.0.1]\n  headers:");
    let running = start(&workdir, &config);
    for (headers, realm) in [
        (
            "X-Forwarded-Proto: https, http\r\nX-Forwarded-Host: a, b",
            "https://a/auth/token",
        ),
        (
            "X-Forwarded-Proto: HTTPS\r\nX-Forwarded-Port: 5043",
            "https://hub:5043/auth/token",
        ),
        (
            "Forwarded: for=192.0.2.7;proto=https;host=\"a:5043\"",
            "https://a:5043/auth/token",
        ),
        (
            "Forwarded: proto=https;host=evil\r\nX-Real-IP: 192.0.2.7",
            "https://hub/auth/token",
        ),
        ("X-Forwarded-Proto: http", "http://hub/auth/token"),
    ] {
        let answer = ask(&running, "GET /v2/ HTTP/1.1", &format!("Host: hub\r\n{headers}\r\n"));
        assert!(
            answer.contains(&format!("Bearer realm=\"{realm}\"")),
            "{headers}: {answer}"
        );
    }
    assert!(!running.log().contains("http.host: not set"));
}

#[test]
fn browsers_are_told_what_pages_may_ask_for() {
    let workdir = Workdir::new();
    let running = start(&workdir, CONFIG);
    let asked = "Host: r\r\nOrigin: https://ui.example\r\nAccess-Control-Request-Method: DELETE\r\n";
    for path in ["/v2/", "/v2/team/app/manifests/v1", "/auth/token"] {
        let answer = ask(&running, &format!("OPTIONS {path} HTTP/1.1"), asked).to_lowercase();
        assert!(answer.starts_with("http/1.1 204 "), "{path}: {answer}");
        let origins = answer
            .matches("access-control-allow-origin: https://ui.example")
            .count();
        assert_eq!(
            (origins, answer.matches("access-control-allow-methods: ").count()),
            (1, 3),
            "{answer}"
        );
    }
    let refused = ask(&running, "GET /v2/ HTTP/1.1", "Host: r\r\n").to_lowercase();
    assert!(
        refused.contains("access-control-allow-origin: https://ui.example"),
        "{refused}"
    );
}

#[test]
fn odd_slashes_lead_to_the_clean_path() {
    let workdir = Workdir::new();
    let running = start(&workdir, CONFIG);
    for (target, location) in [
        ("/v2/_catalog/?n=1", "/v2/_catalog?n=1"),
        ("/v2/x/tags/list/", "/v2/x/tags/list"),
        ("//v2/", "/v2/"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(&running, &format!("{method} {target} HTTP/1.1"), "Host: r\r\n").to_lowercase();
            assert!(answer.starts_with("http/1.1 301 "), "{target}: {answer}");
            assert!(
                answer.contains(&format!("location: {location}\r\n")),
                "{target}: {answer}"
            );
        }
    }
}

#[test]
fn a_post_of_http_1_0_without_a_length_has_an_empty_body() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    for headers in ["", "Host: r\r\n"] {
        let answer = ask(&running, "POST /v2/a/blobs/uploads/ HTTP/1.0", headers);
        assert!(answer.split(' ').nth(1) == Some("202"), "{answer}");
    }
}
