//! Who gets in over HTTP, and what they are told.

use std::path::Path;

use lockgate_registry::{Front, accounts};

use crate::harness::{Served, sha256};

const WITH_ACCOUNTS: &str = "\
storage: {filesystem: {rootdirectory: data}, delete: {enabled: true}}
auth: {htpasswd: {realm: The Realm, path: htpasswd}}
";

// alice:wonderland
const ALICE: &str = "Basic YWxpY2U6d29uZGVybGFuZA==";

fn alice(home: &Path) {
    let hash = accounts::hash_password("wonderland").expect("a hash");
    std::fs::write(home.join("htpasswd"), format!("alice:{hash}\n")).expect("htpasswd");
}

fn with_accounts() -> Served {
    Served::start(WITH_ACCOUNTS, Front::Other, alice)
}

// proves: MAKINA-03, SECURE-15
#[test]
fn without_credentials_everything_is_401_with_a_challenge() {
    let served = with_accounts();
    let unknown = format!("/v2/a/blobs/{}", sha256(b"x"));
    for path in [
        "/v2/",
        "/v2/_catalog",
        "/v2/a/tags/list",
        "/v2/a/manifests/v1",
        &unknown,
    ] {
        let refused = served.get(path);
        refused.expect_error(401, "UNAUTHORIZED");
        assert_eq!(
            refused.header("www-authenticate"),
            "Basic realm=\"The Realm\"",
            "{path}"
        );
        assert_eq!(refused.header("docker-distribution-api-version"), "registry/2.0");
    }
    served
        .send("POST", "/v2/a/blobs/uploads/", &[], b"")
        .expect_error(401, "UNAUTHORIZED");
}

#[test]
fn with_the_right_password_the_account_is_let_in() {
    let served = with_accounts();
    for _ in 0..3 {
        served.send("GET", "/v2/", &[("Authorization", ALICE)], b"").expect(200);
    }
    served
        .send("POST", "/v2/a/blobs/uploads/", &[("Authorization", ALICE)], b"")
        .expect(202);
}

#[test]
fn a_wrong_password_is_401_and_malformed_headers_too() {
    let served = with_accounts();
    for header in [
        "Basic YWxpY2U6d3Jvbmc=",
        "Basic !!!",
        "Basic",
        "Bearer x",
        "Digest x",
        "",
    ] {
        served
            .send("GET", "/v2/", &[("Authorization", header)], b"")
            .expect_error(401, "UNAUTHORIZED");
    }
}

#[test]
fn failures_slow_down_with_429() {
    let served = with_accounts();
    let wrong = [("Authorization", "Basic YWxpY2U6d3Jvbmc=")];
    let throttled = (0..50)
        .map(|_| served.send("GET", "/v2/", &wrong, b""))
        .find(|answer| answer.status == 429);
    let throttled = throttled.expect("fifty wrong passwords in a row are slowed down");
    throttled.expect_error(429, "TOOMANYREQUESTS");
    assert!(
        throttled
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds > 0)
    );
}

#[test]
fn the_own_proxy_is_told_the_account_and_nobody_else() {
    let behind = Served::start(WITH_ACCOUNTS, Front::Lockgate, alice);
    let answer = behind.send("GET", "/v2/", &[("Authorization", ALICE)], b"");
    assert_eq!(answer.expect(200).header("x-lockgate-user"), "alice");
    let alone = with_accounts().send("GET", "/v2/", &[("Authorization", ALICE)], b"");
    assert_eq!(alone.expect(200).header("x-lockgate-user"), "");
}

// proves: SECURE-14
#[test]
fn health_needs_no_account() {
    let served = with_accounts();
    for path in ["/", "/healthz", "/readyz"] {
        served.get(path).expect(200);
    }
}

#[test]
fn forwarded_headers_are_believed_from_the_own_proxy_alone() {
    let headers = [
        ("Authorization", ALICE),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "hub.example.com:5443"),
        ("X-Forwarded-Port", "5443"),
    ];
    let begin = |served: &Served| {
        served
            .send("POST", "/v2/a/blobs/uploads/", &headers, b"")
            .header("location")
            .to_owned()
    };
    let behind = Served::start(WITH_ACCOUNTS, Front::Lockgate, alice);
    assert!(begin(&behind).starts_with("https://hub.example.com:5443/v2/a/blobs/uploads/"));
    assert!(begin(&with_accounts()).starts_with("/v2/a/blobs/uploads/"));
}

// proves: HOMELAB-06
#[test]
fn configured_headers_are_on_every_answer() {
    let yaml = "http: {addr: 127.0.0.1:0, headers: {X-Content-Type-Options: [nosniff]}}\nstorage: {filesystem: {rootdirectory: data}}\n";
    let served = Served::start(yaml, Front::Other, |_| {});
    for path in ["/v2/", "/v2/a/manifests/v1", "/nothing"] {
        assert_eq!(served.get(path).header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[test]
fn a_prefix_moves_the_api() {
    let yaml = "http: {addr: 127.0.0.1:0, prefix: /registry/}\nstorage: {filesystem: {rootdirectory: data}}\n";
    let served = Served::start(yaml, Front::Other, |_| {});
    served.get("/registry/v2/").expect(200);
    served.get("/v2/").expect(404);
    let begun = served.send("POST", "/registry/v2/a/blobs/uploads/", &[], b"");
    assert!(
        begun
            .expect(202)
            .header("location")
            .starts_with("/registry/v2/a/blobs/uploads/")
    );
}
