//! Attempts to get in, over HTTP: each is refused with the right status. docs/SECURITY.md lists them.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lockgate_registry::{Frontend, accounts};
use lockgate_testkit::{Answer, sha256};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::harness::Served;

const CONFIG: &str = "\
storage: {filesystem: {rootdirectory: data}, delete: {enabled: true}}
auth:
  htpasswd: {realm: r, path: htpasswd}
  issuer: {service: the-service, issuer: the-issuer, key: token.key}
  acl:
    - {match: {account: admin}, actions: ['*']}
    - {match: {account: alice, name: office/*, ip: 10.0.0.0/8}, actions: ['*']}
    - {match: {account: alice, name: team/*}, actions: [pull, push]}
  anonymous: {pull: [public/*]}
";
const ADMIN: &str = "Basic YWRtaW46c2VjcmV0";
const ALICE: &str = "Basic YWxpY2U6c2VjcmV0";

/// admin may do everything, alice what she shall in `team/*`, everybody pulls `public/*`; all three hold an image.
fn served(front: Frontend) -> Served {
    let served = Served::start(CONFIG, front, |home: &Path| {
        let hash = accounts::hash_password("secret").unwrap();
        std::fs::write(home.join("htpasswd"), format!("admin:{hash}\nalice:{hash}\n")).unwrap();
    });
    for repository in ["team/app", "other/app", "office/app", "public/app"] {
        push_image(&served, repository);
    }
    served
}

fn push_image(served: &Served, repository: &str) {
    let digest = sha256(repository.as_bytes());
    let push = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    as_(served, ADMIN, "POST", &push, repository.as_bytes()).expect(201);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind, "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest, "size": repository.len()},
    });
    let path = format!("/v2/{repository}/manifests/v1");
    let headers = [("Authorization", ADMIN), ("Content-Type", kind)];
    served
        .send("PUT", &path, &headers, manifest.to_string().as_bytes())
        .expect(201);
}

fn as_(served: &Served, authorization: &str, method: &str, path: &str, body: &[u8]) -> Answer {
    served.send(method, path, &[("Authorization", authorization)], body)
}

/// The token that is given for `scope`; nobody's without credentials.
fn token(served: &Served, credentials: Option<&str>, scope: &str) -> String {
    let headers: Vec<_> = credentials
        .map(|credentials| ("Authorization", credentials))
        .into_iter()
        .collect();
    let scope: String = form_urlencoded::byte_serialize(scope.as_bytes()).collect();
    let answer = served.send("GET", &format!("/auth/token?scope={scope}"), &headers, b"");
    answer.expect(200).json()["token"].as_str().unwrap().to_owned()
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// A request as it is written: no client tidies its path. Gives the status.
fn raw(served: &Served, target: &str, headers: &str) -> u16 {
    let request = format!("GET {target} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n{headers}\r\n");
    let answer = served.exchange(&request);
    let status = answer.split(' ').nth(1);
    status
        .unwrap_or_else(|| panic!("{target}: {answer:?}"))
        .parse()
        .unwrap()
}

/// Signs whatever it is told to.
struct Forger(EcdsaKeyPair);

impl Forger {
    /// With the registry's own key: as if it had been stolen, to show that each claim is looked at.
    fn with_the_key_of(served: &Served) -> Self {
        let pem = std::fs::read(served.home.path().join("token.key")).unwrap();
        let der = x509_parser::pem::parse_x509_pem(&pem).unwrap().1.contents;
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap())
    }

    fn with_another_key() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn sign(&self, header: &str, claims: &Value) -> String {
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[test]
fn forged_tokens_open_nothing() {
    let served = served(Frontend::Other);
    let good = token(&served, Some(ALICE), "repository:team/app:pull,push");
    let parts: Vec<&str> = good.split('.').collect();
    let (header, body, signature) = (parts[0], parts[1], parts[2]);
    let own = Forger::with_the_key_of(&served);
    let pull = |token: &str| {
        as_(
            &served,
            &format!("Bearer {token}"),
            "GET",
            "/v2/team/app/manifests/v1",
            b"",
        )
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims(&good);
        claims[name] = value;
        claims
    };
    pull(&good).expect(200);
    // The forger's hand is good: what it signs unchanged is accepted.
    pull(&own.sign(header, &claims(&good))).expect(200);

    let now = OffsetDateTime::now_utc().unix_timestamp();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let more = json!([{"type": "repository", "name": "other/app", "actions": ["pull", "push", "delete"]}]);
    let changed = URL_SAFE_NO_PAD.encode(with("access", more).to_string());
    for (attack, token) in [
        ("another key", Forger::with_another_key().sign(header, &claims(&good))),
        ("no signature", format!("{none}.{body}.")),
        ("no signature, with one", format!("{none}.{body}.{signature}")),
        ("the signature cut off", format!("{header}.{body}")),
        (
            "other rights under the old signature",
            format!("{header}.{changed}.{signature}"),
        ),
        ("expired", own.sign(header, &with("exp", json!(now - 120)))),
        ("not valid yet", own.sign(header, &with("nbf", json!(now + 120)))),
        (
            "for another service",
            own.sign(header, &with("aud", json!("elsewhere"))),
        ),
        ("of another issuer", own.sign(header, &with("iss", json!("elsewhere")))),
        ("another account", own.sign(header, &with("sub", json!("admin")))),
        (
            "an account that is not there",
            own.sign(header, &with("sub", json!("root"))),
        ),
        ("another password", own.sign(header, &with("credential", json!("x")))),
        ("no token", "x".to_owned()),
    ] {
        let refused = pull(&token);
        assert_eq!(refused.status, 401, "{attack}");
        refused.expect_error(401, "UNAUTHORIZED");
        let challenge = refused.header("www-authenticate");
        assert!(challenge.contains("error=\"invalid_token\""), "{attack}: {challenge}");
    } // Well signed, and longer than any token: not even looked at.
    let oversized = own.sign(header, &with("jti", json!("x".repeat(48 * 1024))));
    pull(&oversized).expect_error(401, "UNAUTHORIZED");
}

#[test]
fn a_token_is_good_for_its_repository_and_its_actions_alone() {
    let served = served(Frontend::Other);
    let bearer = format!("Bearer {}", token(&served, Some(ADMIN), "repository:team/app:pull"));
    let digest = sha256(b"other/app");
    let blob = format!("/v2/other/app/blobs/{digest}");
    as_(&served, &bearer, "GET", "/v2/team/app/manifests/v1", b"").expect(200);
    for (method, path) in [
        ("GET", "/v2/other/app/manifests/v1"),
        ("HEAD", "/v2/other/app/manifests/v1"),
        ("GET", &blob),
        ("GET", "/v2/other/app/tags/list"),
        ("GET", &format!("/v2/other/app/referrers/{digest}")),
        ("GET", "/v2/team/app/../../other/app/manifests/v1"),
        ("GET", "/v2/_catalog"),
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("PUT", "/v2/team/app/manifests/v2"),
        ("DELETE", "/v2/team/app/manifests/v1"),
        ("POST", "/v2/other/app/blobs/uploads/"),
        ("DELETE", &blob),
    ] {
        let refused = as_(&served, &bearer, method, path, b"");
        let expected = if path.contains("..") { [400, 401] } else { [401, 401] };
        assert!(
            expected.contains(&refused.status),
            "{method} {path}: {}",
            refused.status
        );
    }
}

#[test]
fn asking_for_more_gives_no_more() {
    let served = served(Frontend::Other);
    for (credentials, scope, granted) in [
        (Some(ALICE), "repository:other/app:pull,push,delete,*", ""),
        (Some(ALICE), "repository:team/app:*", ""),
        (Some(ALICE), "repository:team/app:pull,delete,*", "team/app:pull"),
        (Some(ALICE), "repository:team/*:pull", ""),
        (Some(ALICE), "repository:*:pull", ""),
        (Some(ALICE), "repository:team/../other/app:pull", ""),
        (Some(ALICE), "repository:team/app/../../other/app:pull", ""),
        (Some(ALICE), "repository:team/app%2F..%2Fother:pull", ""),
        (Some(ALICE), "repository:Team/app:pull", ""),
        (Some(ALICE), "repository:team/app,other/app:pull", ""),
        (Some(ALICE), "repository:team/app\0:pull", ""),
        (Some(ALICE), "repository(plugin):other/app:pull", ""),
        (Some(ALICE), "registry:catalog:*", ""),
        (Some(ALICE), "registry:catalog:pull", ""),
        (Some(ALICE), "repository:catalog:*", ""),
        (
            Some(ALICE),
            "repository:team/app:pull repository:other/app:pull",
            "team/app:pull",
        ),
        (None, "repository:team/app:pull", ""),
        (None, "repository:public/app:pull,push,delete,*", "public/app:pull"),
        (None, "repository:public/app/deeper:pull", ""),
        (None, "registry:catalog:*", ""),
    ] {
        let token = token(&served, credentials, scope);
        let rights: BTreeMap<String, String> = claims(&token)["access"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|access| {
                let actions: Vec<&str> = access["actions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|action| action.as_str().unwrap())
                    .collect();
                (access["name"].as_str().unwrap().to_owned(), actions.join(","))
            })
            .filter(|(_, actions)| !actions.is_empty())
            .collect();
        let rights: Vec<String> = rights
            .iter()
            .map(|(name, actions)| format!("{name}:{actions}"))
            .collect();
        assert_eq!(rights.join(" "), granted, "{scope:?}");
        let refused = as_(
            &served,
            &format!("Bearer {token}"),
            "GET",
            "/v2/other/app/manifests/v1",
            b"",
        );
        assert_eq!(refused.status, 401, "{scope:?}");
    }
}

#[test]
fn names_that_try_to_be_others_are_refused() {
    let served = served(Frontend::Other);
    let nobody = format!(
        "Authorization: Bearer {}\r\n",
        token(&served, None, "repository:public/app:pull")
    );
    let alice = format!("Authorization: {ALICE}\r\n");
    let long = format!("/v2/{}/tags/list", "a/".repeat(128) + "a");
    for (target, expected) in [
        ("/v2/public/../team/app/manifests/v1", 400),
        ("/v2/public/%2e%2e/team/app/manifests/v1", 400),
        ("/v2/public%2F..%2Fteam/app/manifests/v1", 400),
        ("/v2/public/%2E%2E%2Fteam%2Fapp/manifests/v1", 400),
        ("/v2/public/%252e%252e/team/app/manifests/v1", 400),
        ("/v2/public/..%5Cteam/app/manifests/v1", 400),
        ("/v2/../../../../etc/passwd/tags/list", 400),
        // Another spelling, which leads to the plain one.
        ("/v2/public//app/manifests/v1", 301),
        ("/v2/public/app%00/manifests/v1", 400),
        ("/v2/public/app%00/../../other/app/manifests/v1", 400),
        ("/v2/Public/app/manifests/v1", 400),
        ("/v2/PUBLIC/APP/manifests/v1", 400),
        (&long, 400),
        ("/v2/public/app/manifests/..", 400),
        ("/v2/public/app/manifests/..%2F..%2Fother", 404),
        ("/v2/public/app/blobs/..%2F..%2Fconfig.yml", 404),
        ("/v2/public/app/blobs/sha256:..%2F..%2F..%2Fhtpasswd", 404),
        ("/v2/public/app/blobs/uploads/..%2F..", 404),
        // What is only another spelling has the rights of what it spells.
        ("/v2/%70ublic%2Fapp/manifests/v1", 200),
        ("/v2/public%2Fapp/manifests/v1", 200),
        ("/v2/%74eam/app/manifests/v1", 401),
        ("/v2/team%2Fapp/manifests/v1", 401),
        ("/v2/public/app/manifests/v1", 200),
    ] {
        assert_eq!(raw(&served, target, &nobody), expected, "{target:.80}");
    }
    for (target, expected) in [
        ("/v2/team/app/manifests/v1", 200),
        ("/v2/team/../other/app/manifests/v1", 400),
        ("/v2/team/..%2Fother/app/manifests/v1", 400),
        ("/v2/%6fther/app/manifests/v1", 403),
        ("/v2/other%2Fapp/manifests/v1", 403),
        ("/authserver/../v2/other/app/manifests/v1", 404),
        ("//v2/other/app/manifests/v1", 301),
        ("/./v2/other/app/manifests/v1", 404),
        ("/V2/other/app/manifests/v1", 404),
    ] {
        assert_eq!(raw(&served, target, &alice), expected, "{target:.80}");
    }
}

#[test]
fn headers_of_proxies_from_a_stranger_say_nothing() {
    let forged = "X-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Forwarded-Host: evil.example\r\n\
                  X-Forwarded-Proto: https\r\nX-Forwarded-User: admin\r\nX-Remote-User: admin\r\nRemote-User: admin\r\n\
                  X-Lockgate-User: admin\r\nX-Original-URL: /healthz\r\nX-Rewrite-URL: /healthz\r\n\
                  X-Accel-Redirect: /blobs/x\r\nX-Lockgate-Blob: 0 1 x\r\nClient-Cert: :AAAA:\r\n\
                  X-SSL-Client-Verify: SUCCESS\r\nX-SSL-Client-S-DN: CN=admin\r\nSSL-Client-Cert: x\r\n";
    let served = served(Frontend::Other);
    for target in ["/v2/", "/v2/_catalog", "/v2/other/app/manifests/v1"] {
        assert_eq!(raw(&served, target, forged), 401, "{target}");
    }
    // A rule for an address goes by the address that connects.
    let alice = format!("{forged}Authorization: {ALICE}\r\n");
    assert_eq!(raw(&served, "/v2/office/app/manifests/v1", &alice), 403);
    assert_eq!(raw(&served, "/v2/team/app/manifests/v1", &alice), 200);
    // Guesses count for it, too.
    let guess = |number: u32| {
        let wrong = STANDARD.encode(format!("alice:guess {number}"));
        raw(
            &served,
            "/v2/",
            &format!("X-Forwarded-For: 192.0.2.{number}\r\nAuthorization: Basic {wrong}\r\n"),
        )
    };
    assert!(
        (0..50).any(|number| guess(number) == 429),
        "another forged address, another guess"
    );
}

#[test]
fn a_mount_brings_nothing_that_one_may_not_pull() {
    let served = served(Frontend::Other);
    let digest = sha256(b"other/app");
    let bearer = format!(
        "Bearer {}",
        token(
            &served,
            Some(ALICE),
            "repository:team/app:pull,push repository:other/app:pull"
        )
    );
    for authorization in [ALICE, &bearer] {
        for from in [
            "&from=other/app",
            "&from=other%2Fapp",
            "&from=",
            "",
            "&from=team/../other/app",
        ] {
            let mount = format!("/v2/team/app/blobs/uploads/?mount={digest}{from}");
            let begun = as_(&served, authorization, "POST", &mount, b"");
            assert_eq!(begun.status, 202, "an upload instead: {from}");
        }
        as_(
            &served,
            authorization,
            "GET",
            &format!("/v2/team/app/blobs/{digest}"),
            b"",
        )
        .expect_error(404, "BLOB_UNKNOWN");
    }
    let own = sha256(b"team/app");
    let mount = format!("/v2/team/copy/blobs/uploads/?mount={own}&from=team/app");
    as_(&served, ALICE, "POST", &mount, b"").expect(201);
    // Nor does naming it in a manifest.
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind, "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest, "size": 9},
    });
    let headers = [("Authorization", ALICE), ("Content-Type", kind)];
    let refused = served.send(
        "PUT",
        "/v2/team/app/manifests/v2",
        &headers,
        manifest.to_string().as_bytes(),
    );
    refused.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
}

#[test]
fn what_one_may_not_pull_looks_like_what_is_not_there() {
    let served = served(Frontend::Other);
    let nobody = format!("Bearer {}", token(&served, None, "repository:public/app:pull"));
    let digest = sha256(b"other/app");
    for authorization in [ALICE, &nobody] {
        for rest in [
            "manifests/v1",
            "tags/list",
            &format!("blobs/{digest}"),
            &format!("referrers/{digest}"),
        ] {
            let [there, not_there] = ["other/app", "other/xxx"].map(|repository| {
                let answer = as_(&served, authorization, "GET", &format!("/v2/{repository}/{rest}"), b"");
                let said = String::from_utf8(answer.body).unwrap().replace(repository, "?");
                (answer.status, said)
            });
            assert!(matches!(there.0, 401 | 403), "{rest}: {}", there.0);
            assert_eq!(there, not_there, "{rest}");
        }
    }
}

/// Without the proxy: another proxy may have taken them for something else.
#[test]
fn ambiguous_requests_are_refused_by_the_registry_alone() {
    let served = Served::open();
    let hidden = "0\r\n\r\nGET /v2/hidden HTTP/1.1\r\nHost: r\r\n\r\n";
    let length = hidden.len();
    let post = "POST /v2/ HTTP/1.1\r\nHost: r\r\n";
    for attack in [
        format!("{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 5\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("{post}Content-Length: +5\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n{hidden}"),
        format!("{post}X: a\r\n b\r\n\r\n"),
        format!("{post}Host: s\r\n\r\n"),
        format!("{post}X: a\0b\r\n\r\n"),
        "GET /v2/\0 HTTP/1.1\r\nHost: r\r\n\r\n".to_owned(),
        "GET /v2/ HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let answer = served.exchange(&attack);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{attack:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{attack:?}: {answer}");
    }
    // Another way to write a size of zero is none.
    let answer = served.exchange(&format!("{post}Transfer-Encoding: chunked\r\n\r\n0x{hidden}"));
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

/// A row of docs/SECURITY.md is worth as much as the test that it names.
#[test]
fn the_page_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/SECURITY.md")).unwrap();
    let named: Vec<_> = page.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > 30, "{} tests are named", named.len());
    for (file, test) in named {
        let file = format!("{file}.rs");
        let source = std::fs::read_to_string(root.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{file} has no {test}");
    }
}
