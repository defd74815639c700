//! Who gets in over HTTP, and what they are told.

use std::path::Path;

use lockgate_registry::{Frontend, accounts};
use lockgate_testkit::sha256;

use crate::harness::Served;

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
    Served::start(WITH_ACCOUNTS, Frontend::Other, alice)
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
fn an_account_that_was_added_a_moment_ago_is_let_in() {
    // bob:builder
    const BOB: &str = "Basic Ym9iOmJ1aWxkZXI=";
    let served = with_accounts();
    served.send("GET", "/v2/", &[("Authorization", ALICE)], b"").expect(200);
    served.send("GET", "/v2/", &[("Authorization", BOB)], b"").expect(401);
    let accounts = served.home.path().join("htpasswd");
    let hash = accounts::hash_password("builder").expect("a hash");
    let alice = std::fs::read_to_string(&accounts).expect("htpasswd");
    std::fs::write(&accounts, format!("{alice}bob:{hash}\n")).expect("htpasswd");
    served.send("GET", "/v2/", &[("Authorization", BOB)], b"").expect(200);
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
    let behind = Served::start(WITH_ACCOUNTS, Frontend::Lockgate, alice);
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
    let behind = Served::start(WITH_ACCOUNTS, Frontend::Lockgate, alice);
    assert!(begin(&behind).starts_with("https://hub.example.com:5443/v2/a/blobs/uploads/"));
    assert!(begin(&with_accounts()).starts_with("/v2/a/blobs/uploads/"));
}

// proves: HOMELAB-06
#[test]
fn configured_headers_are_on_every_answer() {
    let yaml = "http: {addr: 127.0.0.1:0, headers: {X-Content-Type-Options: [nosniff]}}\nstorage: {filesystem: {rootdirectory: data}}\n";
    let served = Served::start(yaml, Frontend::Other, |_| {});
    for path in ["/v2/", "/v2/a/manifests/v1", "/nothing"] {
        assert_eq!(served.get(path).header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[test]
fn a_prefix_moves_the_api() {
    let yaml = "http: {addr: 127.0.0.1:0, prefix: /registry/}\nstorage: {filesystem: {rootdirectory: data}}\n";
    let served = Served::start(yaml, Frontend::Other, |_| {});
    served.get("/registry/v2/").expect(200);
    served.get("/v2/").expect(404);
    // A health check need not know the prefix.
    for path in ["/healthz", "/readyz", "/registry/readyz"] {
        served.get(path).expect(200);
    }
    let begun = served.send("POST", "/registry/v2/a/blobs/uploads/", &[], b"");
    assert!(
        begun
            .expect(202)
            .header("location")
            .starts_with("/registry/v2/a/blobs/uploads/")
    );
}

const WITH_TOKENS: &str = "\
storage: {filesystem: {rootdirectory: data}, delete: {enabled: true}}
auth:
  htpasswd: {realm: The Realm, path: htpasswd}
  issuer: {path: /authserver/auth, expiration: 60s, service: the-service, issuer: the-issuer}
  acl:
    - {match: {account: alice, name: team/*}, actions: [pull, push]}
    - {match: {account: alice, name: catalog, type: registry}, actions: ['*']}
  anonymous: {pull: [public/*]}
";

fn token(served: &Served, headers: &[(&str, &str)], scope: &str) -> String {
    let path = format!("/authserver/auth?service=the-service&scope={scope}");
    let answer = served.send("GET", &path, headers, b"");
    assert_eq!(answer.expect(200).header("cache-control"), "no-store");
    assert_eq!(answer.json()["token"], answer.json()["access_token"]);
    assert_eq!(answer.json()["expires_in"], 60);
    format!("Bearer {}", answer.json()["token"].as_str().expect("a token"))
}

// proves: MAKINA-01, MAKINA-02
#[test]
fn the_bearer_flow_goes_from_end_to_end() {
    let served = Served::start(WITH_TOKENS, Frontend::Other, alice);
    let challenged = served.send("POST", "/v2/team/app/blobs/uploads/", &[], b"");
    challenged.expect_error(401, "UNAUTHORIZED");
    let expected = format!(
        "Bearer realm=\"{}/authserver/auth\",service=\"the-service\",scope=\"repository:team/app:pull,push\"",
        served.base()
    );
    assert_eq!(challenged.header("www-authenticate"), expected);

    let bearer = token(&served, &[("Authorization", ALICE)], "repository:team/app:pull,push");
    let begin = |repository: &str, authorization: &str| {
        let path = format!("/v2/{repository}/blobs/uploads/");
        served.send("POST", &path, &[("Authorization", authorization)], b"")
    };
    begin("team/app", &bearer).expect(202);
    // Another repository: another token is asked for, which the account would not get.
    let other = begin("other/app", &bearer);
    other.expect_error(401, "UNAUTHORIZED");
    let told = String::from_utf8_lossy(&other.body);
    assert!(told.contains("this token does not allow that"), "{told}");
    assert!(
        other
            .header("www-authenticate")
            .ends_with("error=\"insufficient_scope\"")
    );
    let nothing = token(&served, &[("Authorization", ALICE)], "repository:other/app:pull,push");
    begin("other/app", &nothing).expect_error(401, "UNAUTHORIZED");
    // Basic goes on every route, too.
    begin("team/app", ALICE).expect(202);
    begin("other/app", ALICE).expect_error(403, "DENIED");
}

// proves: MAKINA-07
#[test]
fn a_token_says_for_whom_and_how_long() {
    let served = Served::start(WITH_TOKENS, Frontend::Other, alice);
    let bearer = token(
        &served,
        &[("Authorization", ALICE)],
        "repository:team/app:pull,push,delete",
    );
    let claims = bearer.split('.').nth(1).expect("three parts");
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).expect("base64url");
    let claims: serde_json::Value = serde_json::from_slice(&decoded).expect("JSON");
    assert_eq!(
        (&claims["iss"], &claims["sub"], &claims["aud"]),
        (&"the-issuer".into(), &"alice".into(), &"the-service".into())
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    assert_eq!(claims["access"][0]["actions"], serde_json::json!(["pull", "push"]));
    let keys = served.get("/authserver/jwks");
    assert_eq!(keys.expect(200).json()["keys"][0]["kty"], "EC");
}

// proves: MOSI-11
#[test]
fn without_an_account_only_what_is_public_is_read_and_nothing_written() {
    let served = Served::start(WITH_TOKENS, Frontend::Other, alice);
    // docker decides by this status whether it needs a token at all.
    served.get("/v2/").expect_error(401, "UNAUTHORIZED");
    let public = token(&served, &[], "repository:public/app:pull,push");
    let with = |method: &str, path: &str| served.send(method, path, &[("Authorization", &public)], b"");
    with("GET", "/v2/public/app/manifests/v1").expect_error(404, "MANIFEST_UNKNOWN");
    with("POST", "/v2/public/app/blobs/uploads/").expect_error(401, "UNAUTHORIZED");
    with("GET", "/v2/team/app/manifests/v1").expect_error(401, "UNAUTHORIZED");
    served
        .send(
            "GET",
            "/authserver/auth",
            &[("Authorization", "Basic YWxpY2U6d3Jvbmc=")],
            b"",
        )
        .expect_error(401, "UNAUTHORIZED");
}

// proves: MAKINA-06
#[test]
fn the_catalog_holds_what_the_account_may_read() {
    let everything = Served::start(WITH_ACCOUNTS, Frontend::Other, alice);
    for name in ["team/app", "team/deep/er", "other/app"] {
        let digest = sha256(b"{}");
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        everything
            .send("POST", &path, &[("Authorization", ALICE)], b"{}")
            .expect(201);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{digest}","size":2}},"layers":[]}}"#
        );
        let headers = [
            ("Authorization", ALICE),
            ("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
        ];
        everything
            .send(
                "PUT",
                &format!("/v2/{name}/manifests/v1"),
                &headers,
                manifest.as_bytes(),
            )
            .expect(201);
    }
    let served = Served::start_in(everything.stop(), WITH_TOKENS, Frontend::Other);
    let bearer = token(&served, &[("Authorization", ALICE)], "registry:catalog:*");
    for authorization in [ALICE, &bearer] {
        let catalog = served.send("GET", "/v2/_catalog", &[("Authorization", authorization)], b"");
        assert_eq!(
            catalog.expect(200).json()["repositories"],
            serde_json::json!(["team/app"])
        );
    }
}

#[test]
fn a_token_that_misses_the_source_of_a_mount_is_told_the_scopes() {
    let served = Served::start(WITH_TOKENS, Frontend::Other, alice);
    let basic = [("Authorization", ALICE)];
    let digest = sha256(b"shared");
    let push = format!("/v2/team/source/blobs/uploads/?digest={digest}");
    served.send("POST", &push, &basic, b"shared").expect(201);
    let target = token(&served, &basic, "repository:team/app:pull,push");
    let narrow = [("Authorization", target.as_str())];
    let mount = |from: &str| format!("/v2/team/app/blobs/uploads/?mount={digest}&from={from}");

    let refused = served.send("POST", &mount("team/source"), &narrow, b"");
    refused.expect_error(401, "UNAUTHORIZED");
    let scopes = "scope=\"repository:team/app:pull,push repository:team/source:pull\"";
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains(scopes), "{challenge}");
    let both = "repository:team/app:pull,push%20repository:team/source:pull";
    let wide = token(&served, &basic, both);
    let mounted = served.send("POST", &mount("team/source"), &[("Authorization", &wide)], b"");
    assert_eq!(mounted.expect(201).header("docker-content-digest"), digest);
    // No token of this account reads there, so there is nothing to ask for.
    served.send("POST", &mount("other/source"), &narrow, b"").expect(202);
}

#[test]
fn a_mount_without_a_token_is_told_both_scopes() {
    let served = Served::start(WITH_TOKENS, Frontend::Other, alice);
    let basic = [("Authorization", ALICE)];
    let digest = sha256(b"shared");
    let push = format!("/v2/team/source/blobs/uploads/?digest={digest}");
    served.send("POST", &push, &basic, b"shared").expect(201);
    let mount = |from: &str| format!("/v2/team/app/blobs/uploads/?mount={digest}{from}");
    let elsewhere = token(&served, &basic, "repository:team/other:pull,push");
    let elsewhere = [("Authorization", elsewhere.as_str())];
    let challenge = |headers: &[(&str, &str)], target: &str| {
        let refused = served.send("POST", target, headers, b"");
        refused.expect_error(401, "UNAUTHORIZED");
        refused.header("www-authenticate").to_owned()
    };
    let both = "scope=\"repository:team/app:pull,push repository:team/source:pull\"";
    for headers in [&[][..], &elsewhere] {
        let told = challenge(headers, &mount("&from=team/source"));
        assert!(told.contains(both), "{told}");
        // Also of what is not there, and may not be pulled.
        let told = challenge(headers, &mount("&from=other/secret"));
        assert!(
            told.contains("repository:team/app:pull,push repository:other/secret:pull\""),
            "{told}"
        );
        for from in ["", "&from=", "&from=team/app", "&from=UPPER"] {
            let told = challenge(headers, &mount(from));
            assert!(
                told.contains("scope=\"repository:team/app:pull,push\""),
                "{from}: {told}"
            );
        }
    }
    // A token for what the challenge says is enough.
    let scopes = "repository:team/app:pull,push%20repository:team/source:pull";
    let wide = token(&served, &basic, scopes);
    let mounted = served.send("POST", &mount("&from=team/source"), &[("Authorization", &wide)], b"");
    mounted.expect(201);
}

#[test]
fn a_token_is_posted_for_with_basic_credentials_too() {
    let served = Served::start(WITH_TOKENS, Frontend::Other, alice);
    let scope = "service=the-service&scope=repository:team/app:pull,push";
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let post = |query: &str, headers: &[(&str, &str)], body: &str| {
        let headers = [headers, &[form]].concat();
        served.send("POST", &format!("/authserver/auth{query}"), &headers, body.as_bytes())
    };
    let basic = [("Authorization", ALICE)];
    let query = format!("?{scope}");
    for (query, body) in [
        ("", scope.to_owned()),
        ("", format!("grant_type=password&{scope}")),
        (query.as_str(), String::new()),
    ] {
        let answer = post(query, &basic, &body);
        let bearer = format!("Bearer {}", answer.expect(200).json()["access_token"].as_str().unwrap());
        let begun = served.send(
            "POST",
            "/v2/team/app/blobs/uploads/",
            &[("Authorization", &bearer)],
            b"",
        );
        begun.expect(202);
    }
    let wrong = [("Authorization", "Basic YWxpY2U6d3Jvbmc=")];
    post("", &wrong, scope).expect_error(401, "UNAUTHORIZED");
    post("", &[], scope).expect_error(400, "UNSUPPORTED");
    post("", &[("Authorization", "Bearer x")], scope).expect_error(400, "UNSUPPORTED");
    post("", &basic, &format!("username=alice&{scope}")).expect_error(400, "UNSUPPORTED");
}

#[test]
fn a_password_with_a_tab_is_let_in() {
    let password = "wonder\tland";
    let served = Served::start(WITH_TOKENS, Frontend::Other, |home: &Path| {
        let hash = accounts::hash_password(password).expect("a hash");
        std::fs::write(home.join("htpasswd"), format!("alice:{hash}\n")).expect("htpasswd");
    });
    // alice:wonder<tab>land
    let basic = [("Authorization", "Basic YWxpY2U6d29uZGVyCWxhbmQ=")];
    served.send("GET", "/v2/", &basic, b"").expect(200);
    token(&served, &basic, "repository:team/app:pull");
    let form = "grant_type=password&username=alice&password=wonder%09land&service=the-service";
    served
        .send("POST", "/authserver/auth", &[], form.as_bytes())
        .expect(200);
    // alice:wonder land
    let other = [("Authorization", "Basic YWxpY2U6d29uZGVyIGxhbmQ=")];
    served
        .send("GET", "/v2/", &other, b"")
        .expect_error(401, "UNAUTHORIZED");
}

#[test]
fn a_token_form_that_is_too_large_is_told_so_and_not_of_manifests() {
    let served = Served::start(WITH_TOKENS, Frontend::Other, alice);
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let form = format!("grant_type=password&username=alice&password={}", "x".repeat(65 * 1024));
    let answer = served.send("POST", "/authserver/auth", &headers, form.as_bytes());
    answer.expect_error(413, "SIZE_INVALID");
    let text = answer.json()["errors"][0]["message"].to_string();
    assert!(text.contains("token request") && text.contains("65536 bytes"), "{text}");
    assert!(!text.contains("manifest"), "{text}");
}
