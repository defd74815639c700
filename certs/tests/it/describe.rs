//! Certificates in plain words.

use std::time::{Duration, SystemTime};

use lockgate_certs::describe::{self, CertificateKind, Description, Problem};
use lockgate_certs::{LeafRequest, leaf};
use lockgate_testkit::certificates::{Certificates, named};
use lockgate_testkit::require;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};

use crate::harness::{Home, request};
use crate::openssl;

fn describe(home: &Home, file: &str) -> Description {
    describe::file(&home.path(file), None, None, SystemTime::now()).unwrap()
}

// proves: TOY-05
#[test]
fn a_good_leaf_in_words() {
    let home = Home::new();
    let pair = home.issue("leaf", &["registry.example.com", "10.0.0.1"]);
    let described = describe::file(
        &pair.certificate,
        Some(&pair.key),
        Some("registry.example.com"),
        SystemTime::now(),
    )
    .unwrap();
    assert_eq!(described.kind, CertificateKind::Leaf);
    assert_eq!(described.key, "ECDSA P-256");
    assert_eq!(described.days_left, 396);
    let text = described.to_string();
    for part in [
        "a server's certificate, signed by an authority",
        "valid for    registry.example.com, 10.0.0.1",
        "issued by    O=Lockgate, CN=Lockgate CA on test",
        "(396 days left)",
        "Nothing is wrong with it.",
    ] {
        assert!(text.contains(part), "{part:?} is missing from:\n{text}");
    }
}

#[test]
fn the_authority_in_words() {
    let home = Home::new();
    let described = describe(&home, "ca.crt");
    assert_eq!(described.kind, CertificateKind::Authority);
    assert!(described.problems.is_empty(), "{described}");
    assert!(!described.to_string().contains("valid for"), "{described}");
}

// proves: TOY-05
#[test]
fn time_that_is_over_or_has_not_come() {
    let home = Home::new();
    let pair = home.issue("leaf", &["a.example"]);
    let at = |now| describe::file(&pair.certificate, None, None, now).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let late = at(SystemTime::now() + day * 400);
    assert_eq!(late.problems, [Problem::Expired]);
    assert!(late.to_string().contains("(over for "), "{late}");
    assert_eq!(at(SystemTime::now() - day).problems, [Problem::NotYetValid]);
}

#[test]
fn the_wrong_key_and_the_wrong_host() {
    let home = Home::new();
    let pair = home.issue("leaf", &["a.example"]);
    let other = home.issue("other", &["a.example"]);
    let described = describe::file(
        &pair.certificate,
        Some(&other.key),
        Some("b.example"),
        SystemTime::now(),
    )
    .unwrap();
    assert_eq!(
        described.problems,
        [
            Problem::WrongKey { key: other.key },
            Problem::HostNotCovered {
                host: "b.example".into()
            }
        ]
    );
}

#[test]
fn a_lone_leaf_misses_its_issuer() {
    let home = Home::new();
    let pair = home.issue("leaf", &["a.example"]);
    let chain = std::fs::read_to_string(&pair.certificate).unwrap();
    let alone = &chain[..chain.rfind("-----BEGIN").unwrap()];
    std::fs::write(&pair.certificate, alone).unwrap();
    let described = describe(&home, "leaf.crt");
    assert!(
        matches!(&described.problems[..], [Problem::MissingIntermediate { issuer }] if issuer.contains("Lockgate CA"))
    );
}

#[test]
fn a_leaf_that_signed_itself_misses_nothing() {
    let home = Home::new();
    home.write("own", &leaf::self_signed(&request(&["a.example"])).unwrap());
    let described = describe(&home, "own.crt");
    assert_eq!(described.kind, CertificateKind::SelfSigned);
    assert!(described.problems.is_empty(), "{described}");
}

#[test]
fn a_life_of_a_hundred_years_is_too_long_for_apple() {
    let home = Home::new();
    let long = LeafRequest {
        days: 36_500,
        ..request(&["a.example"])
    };
    home.write("own", &leaf::self_signed(&long).unwrap());
    assert_eq!(
        describe(&home, "own.crt").problems,
        [Problem::TooLongForApple { days: 36_500 }]
    );
}

// The certificates that the texts of the five systems have their users make.
#[test]
fn what_users_bring_from_openssl() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    openssl::run(
        home.root(),
        &[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-sha256",
            "-keyout",
            "d.key",
            "-x509",
            "-days",
            "365",
            "-subj",
            "/CN=registry.local",
            "-out",
            "domain.crt",
        ],
    );
    // It is marked as an authority and names its host in the common name alone.
    let described = describe(&home, "domain.crt");
    assert_eq!(described.kind, CertificateKind::SelfSigned);
    assert_eq!(described.problems, [Problem::NoNames]);

    let root = [
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "r.key",
        "-x509",
        "-subj",
        "/CN=Our Root",
        "-out",
        "r.crt",
    ];
    openssl::run(home.root(), &root);
    assert_eq!(describe(&home, "r.crt").kind, CertificateKind::Authority);
    let with_key = describe::file(&home.path("r.crt"), Some(&home.path("r.key")), None, SystemTime::now()).unwrap();
    assert_eq!(with_key.problems, [Problem::NoNames]);

    openssl::run(
        home.root(),
        &[
            "req",
            "-newkey",
            "rsa:1024",
            "-nodes",
            "-keyout",
            "w.key",
            "-x509",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "extendedKeyUsage=clientAuth",
            "-subj",
            "/CN=a",
            "-out",
            "weak.crt",
        ],
    );
    let problems = describe(&home, "weak.crt").problems;
    for expected in [
        Problem::NoNames,
        Problem::NotForServers,
        Problem::WeakKey { key: "RSA 1024".into() },
    ] {
        assert!(
            problems.contains(&expected),
            "{expected:?} is missing from {problems:?}"
        );
    }
}

#[test]
fn keys_of_every_kind_have_a_name() {
    let home = Home::new();
    let mut certificates = Certificates::new(home.root());
    for (algorithm, name) in [
        (&PKCS_ECDSA_P384_SHA384, "ECDSA P-384"),
        (&PKCS_ECDSA_P521_SHA512, "ECDSA P-521"),
        (&PKCS_ED25519, "Ed25519"),
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        certificates.self_signed_with("k", named("a.example"), key);
        assert_eq!(describe(&home, "k.crt").key, name);
    }
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).unwrap();
    certificates.self_signed_with("k", named("a.example"), key);
    assert_eq!(describe(&home, "k.crt").key, "RSA 3072");
}
