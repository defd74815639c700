//! What is answered before a login is asked for: redirections to clean paths, and browsers that ask what a page of
//! another origin may do.

use std::path::Path;

use lockgate_registry::{Frontend, accounts};
use lockgate_testkit::Answer;

use crate::harness::Served;

const TOKENS: &str = "\
storage: {filesystem: {rootdirectory: data}, delete: {enabled: true}}
auth: {htpasswd: {path: htpasswd}, issuer: {path: /authserver/auth, key: token.key}}
";

fn served(http: &str, front: Frontend) -> Served {
    let config = format!("http: {{addr: '127.0.0.1:0'{http}}}\n{TOKENS}");
    Served::start(&config, front, |home: &Path| {
        let hash = accounts::hash_password("secret").unwrap();
        std::fs::write(home.join("htpasswd"), format!("alice:{hash}\n")).unwrap();
    })
}

/// The status and the `Location` of a request whose target no client tidies.
fn asked(served: &Served, method: &str, target: &str) -> (u16, String) {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n");
    let answer = served.exchange(&request);
    let (answer, _) = Answer::parse(answer.as_bytes(), method, true).expect(&answer);
    (answer.status, answer.header("location").to_owned())
}

#[test]
fn odd_slashes_are_redirected_to_the_clean_path() {
    for front in [Frontend::Other, Frontend::Lockgate] {
        let served = served("", front);
        for (target, location) in [
            ("/v2/_catalog/", "/v2/_catalog"),
            ("/v2/x/tags/list/", "/v2/x/tags/list"),
            ("//v2/", "/v2/"),
            ("//v2", "/v2/"),
            (
                "///v2///x//tags//list?n=1&last=a%2Fb//",
                "/v2/x/tags/list?n=1&last=a%2Fb//",
            ),
            ("/v2/_catalog/?n=1", "/v2/_catalog?n=1"),
            ("/v2/_catalog/?", "/v2/_catalog?"),
        ] {
            for method in ["GET", "HEAD"] {
                assert_eq!(
                    asked(&served, method, target),
                    (301, location.to_owned()),
                    "{method} {target}"
                );
            }
            for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let (status, location) = asked(&served, method, target);
                assert!(
                    matches!(status, 400 | 401 | 404 | 405) && location.is_empty(),
                    "{method} {target}: {status}"
                );
            }
        }
        // Clean ones ask for a login; what is nothing stays nothing.
        for target in ["/v2/", "/v2/_catalog", "/v2/x/tags/list"] {
            assert_eq!(asked(&served, "GET", target).0, 401, "{target}");
        }
        for target in [
            "//evil.example/v2/",
            "//evil.example/",
            "/v2/x/",
            "/v2/x/../y/tags/list/",
            "/V2/_catalog/",
        ] {
            let (status, location) = asked(&served, "GET", target);
            assert!(status != 301 && location.is_empty(), "{target}: {status} {location}");
        }
    }
}

#[test]
fn a_prefix_stays_on_the_clean_path() {
    let served = served(", prefix: /hub/", Frontend::Other);
    for (target, location) in [
        ("/hub/v2/_catalog/", "/hub/v2/_catalog"),
        ("//hub//v2/", "/hub/v2/"),
        ("/hub/v2//x/tags/list/?n=1", "/hub/v2/x/tags/list?n=1"),
    ] {
        assert_eq!(asked(&served, "GET", target), (301, location.to_owned()), "{target}");
    }
    for target in ["/v2/_catalog/", "//v2/", "/hubv2/_catalog/", "//evil.example/hub/v2/"] {
        let (status, location) = asked(&served, "GET", target);
        assert!(status == 404 && location.is_empty(), "{target}: {status} {location}");
    }
    assert_eq!(asked(&served, "GET", "/hub/v2/").0, 401);
}

const PAGES: &str = ", headers: {Access-Control-Allow-Origin: ['https://ui.example'], \
    Access-Control-Allow-Methods: ['HEAD', 'GET', 'DELETE'], Access-Control-Allow-Credentials: ['true']}";

fn options(served: &Served, path: &str) -> Answer {
    let headers = [
        ("Origin", "https://ui.example"),
        ("Access-Control-Request-Method", "DELETE"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    served.send("OPTIONS", path, &headers, b"")
}

const ASKED_FOR: [&str; 5] = ["/v2/", "/v2", "/v2/_catalog", "/v2/x/manifests/v1", "/authserver/auth"];

#[test]
fn preflights_are_answered_before_a_login_with_the_configured_headers() {
    let alone = served(PAGES, Frontend::Other);
    for path in ASKED_FOR {
        let answer = options(&alone, path);
        answer.expect(204);
        assert!(answer.body.is_empty());
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "https://ui.example",
            "{path}"
        );
        assert_eq!(answer.values("access-control-allow-methods").count(), 3, "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true", "{path}");
    }
    // A page may read every answer, the one that asks for a login too.
    let refused = alone.get("/v2/_catalog");
    assert_eq!(
        refused.expect(401).header("access-control-allow-origin"),
        "https://ui.example"
    );

    // The own proxy adds the headers.
    let behind = served(PAGES, Frontend::Lockgate);
    for path in ASKED_FOR {
        let answer = options(&behind, path);
        assert_eq!(answer.expect(204).header("access-control-allow-origin"), "", "{path}");
    }

    let prefixed = served(&format!(", prefix: /hub/{PAGES}"), Frontend::Other);
    options(&prefixed, "/hub/v2/").expect(204);
    options(&prefixed, "/v2/").expect(404);
}

#[test]
fn without_such_headers_and_for_what_is_no_preflight_nothing_changes() {
    for other in ["", ", headers: {X-Content-Type-Options: [nosniff]}"] {
        let served = served(other, Frontend::Other);
        options(&served, "/v2/").expect_error(405, "UNSUPPORTED");
        options(&served, "/v2/x/manifests/v1").expect_error(405, "UNSUPPORTED");
        options(&served, "/authserver/auth").expect(405);
    }
    let served = served(PAGES, Frontend::Other);
    for headers in [
        &[][..],
        &[("Origin", "https://ui.example")],
        &[("Access-Control-Request-Method", "GET")],
    ] {
        served
            .send("OPTIONS", "/v2/", headers, b"")
            .expect_error(405, "UNSUPPORTED");
    }
    options(&served, "/nothing").expect(404);
}
