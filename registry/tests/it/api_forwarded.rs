//! The URL that clients are sent to for tokens, by what proxies in front say. All of what they may say is a table of
//! `lockgate_wire`; here is what it comes to.

use std::path::Path;

use lockgate_registry::{Frontend, accounts};

use crate::harness::Served;

const TOKENS: &str = "\
storage: {filesystem: {rootdirectory: data}}
auth: {htpasswd: {path: htpasswd}, issuer: {key: token.key}}
";

fn served(http: &str, front: Frontend) -> Served {
    let config = format!("http: {{addr: '127.0.0.1:0'{http}}}\n{TOKENS}");
    Served::start(&config, front, |home: &Path| {
        let hash = accounts::hash_password("secret").unwrap();
        std::fs::write(home.join("htpasswd"), format!("alice:{hash}\n")).unwrap();
    })
}

/// The realm that is named to a request with these header fields.
fn realm(served: &Served, headers: &str) -> String {
    let answer = served.exchange(&format!("GET /v2/ HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let realm = answer.split_once("Bearer realm=\"").expect(&answer).1.split('"').next();
    realm.unwrap().to_owned()
}

const TRUSTING: &str = ", trustedproxies: [127.0.0.0/8]";

#[test]
fn a_realm_is_never_http_where_anybody_said_https() {
    let fronts = [
        served("", Frontend::Other),
        served(TRUSTING, Frontend::Other),
        served("", Frontend::Lockgate),
    ];
    for served in &fronts {
        for said in [
            "X-Forwarded-Proto: https",
            "X-Forwarded-Proto: HTTPS",
            "X-Forwarded-Proto: https, http",
            "X-Forwarded-Port: 443",
            "Forwarded: for=192.0.2.7;proto=https",
            "Forwarded: Proto=\"HTTPS\", proto=http",
        ] {
            for host in ["hub", "hub:443", "a,b", "a'b", "[::1]"] {
                let name = host.trim_end_matches(":443");
                assert_eq!(
                    realm(served, &format!("Host: {host}\r\n{said}\r\n")),
                    format!("https://{name}/auth/token"),
                    "{said}"
                );
            }
            // What is no name is sent nowhere.
            assert_eq!(realm(served, &format!("Host: a/b\r\n{said}\r\n")), "/auth/token");
        }
        // `docker login localhost:5000`
        assert_eq!(
            realm(served, "Host: localhost:5000\r\n"),
            "http://localhost:5000/auth/token"
        );
    }
}

#[test]
fn only_who_is_trusted_names_a_host() {
    let said = "Host: hub\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a, b\r\nX-Forwarded-Port: 5043\r\n";
    let by_rfc = "Host: hub\r\nForwarded: for=192.0.2.7;host=\"a:5043\";proto=https, host=b\r\n";
    for headers in [said, by_rfc] {
        assert_eq!(realm(&served("", Frontend::Other), headers), "https://hub/auth/token");
        assert_eq!(
            realm(&served(TRUSTING, Frontend::Other), headers),
            "https://a:5043/auth/token"
        );
    }
    // Passed on by an nginx that knows nothing of it.
    let passed_on = format!("{by_rfc}X-Forwarded-Proto: http\r\nX-Real-IP: 192.0.2.7\r\n");
    assert_eq!(
        realm(&served(TRUSTING, Frontend::Other), &passed_on),
        "http://hub/auth/token"
    );
}

#[test]
fn what_is_configured_wins() {
    let configured = ", host: 'https://hub.example.com', prefix: /hub/";
    let headers = "Host: other\r\nX-Forwarded-Proto: http\r\n";
    for http in [configured.to_owned(), format!("{configured}{TRUSTING}")] {
        let answer = served(&http, Frontend::Other)
            .exchange(&format!("GET /hub/v2/ HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"));
        assert!(
            answer.contains("realm=\"https://hub.example.com/hub/auth/token\""),
            "{answer}"
        );
    }
}
