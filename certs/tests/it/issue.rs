//! What is issued, as `openssl` sees it.

use std::net::IpAddr;

use lockgate_certs::IssueError;
use lockgate_certs::{
    Authority, KeyKind, LeafRequest, Resolver, ServerOptions, Subject, fingerprint_sha256, leaf, server_config,
};
use lockgate_testkit::certificates::{Certificates, authority};
use lockgate_testkit::require;

use crate::harness::{Client, Home, Server, Settings, request};
use crate::openssl;

fn text(home: &Home, file: &str) -> String {
    openssl::run(home.root(), &["x509", "-in", file, "-noout", "-text"])
}

fn assert_holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing from:\n{text}");
    }
}

// proves: MAKINA-19
#[test]
fn an_authority_is_one_in_openssls_eyes() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    assert_holds(
        &text(&home, "ca.crt"),
        &[
            "Version: 3 (0x2)",
            "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
            "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
            "X509v3 Subject Key Identifier",
            "ASN1 OID: prime256v1",
            "CN = Lockgate CA on test",
        ],
    );
    let ten_years = (10 * 365 * 24 * 60 * 60 - 24 * 60 * 60).to_string();
    openssl::run(
        home.root(),
        &["x509", "-in", "ca.crt", "-noout", "-checkend", &ten_years],
    );
}

// proves: SECURE-05, SECURE-06, TOY-04, MOSI-20
#[test]
fn a_leaf_holds_what_was_asked_for() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    let request = LeafRequest {
        subject: Subject {
            country: Some("cz".into()),
            state: Some("Jihomoravský".into()),
            locality: Some("Brno".into()),
            organization: Some("Example Ltd".into()),
            common_name: Some("registry".into()),
        },
        ..request(&["registry.example.com", "*.example.org", "192.168.0.12", "fd00::12"])
    };
    home.write("leaf", &home.authority.issue(&request).unwrap());
    assert_holds(
        &text(&home, "leaf.crt"),
        &[
            "DNS:registry.example.com, DNS:*.example.org, IP Address:192.168.0.12, IP Address:FD00:0:0:0:0:0:0:12",
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "X509v3 Key Usage: critical\n                Digital Signature\n",
            "TLS Web Server Authentication",
            "X509v3 Authority Key Identifier",
            "X509v3 Subject Key Identifier",
        ],
    );
    let subject = openssl::run(
        home.root(),
        &[
            "x509",
            "-in",
            "leaf.crt",
            "-noout",
            "-subject",
            "-nameopt",
            "utf8,sep_comma_plus",
        ],
    );
    assert_eq!(
        subject.trim(),
        "subject=C=CZ,ST=Jihomoravský,L=Brno,O=Example Ltd,CN=registry"
    );
    for check in [
        ["-verify_hostname", "registry.example.com"],
        ["-verify_hostname", "a.example.org"],
        ["-verify_ip", "192.168.0.12"],
        ["-verify_ip", "fd00::12"],
    ] {
        openssl::run(
            home.root(),
            &[
                "verify",
                "-x509_strict",
                "-purpose",
                "sslserver",
                "-CAfile",
                "ca.crt",
                check[0],
                check[1],
                "leaf.crt",
            ],
        );
    }
    let wrong = openssl::output(
        home.root(),
        &[
            "verify",
            "-CAfile",
            "ca.crt",
            "-verify_hostname",
            "other.example.com",
            "leaf.crt",
        ],
    );
    assert!(!wrong.status.success());
}

#[test]
fn an_automatic_leaf_lives_397_days_at_most_and_began_before_now() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    let request = LeafRequest::automatic(&["registry.example.com".into()]).unwrap();
    home.write("leaf", &home.authority.issue(&request).unwrap());
    openssl::run(
        home.root(),
        &["verify", "-x509_strict", "-CAfile", "ca.crt", "leaf.crt"],
    );
    let ends_within = |days: u64| {
        let seconds = (days * 24 * 60 * 60).to_string();
        !openssl::output(
            home.root(),
            &["x509", "-in", "leaf.crt", "-noout", "-checkend", &seconds],
        )
        .status
        .success()
    };
    assert!(ends_within(397));
    assert!(!ends_within(395));
}

// proves: HOMELAB-12, MOSI-20
#[test]
fn rsa_4096_for_365_days_signed_by_itself() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    let request = LeafRequest {
        days: 365,
        key: KeyKind::rsa(4096).unwrap(),
        ..request(&["registry.local", "10.0.0.5"])
    };
    home.write("own", &leaf::self_signed(&request).unwrap());
    assert_holds(
        &text(&home, "own.crt"),
        &[
            "Public-Key: (4096 bit)",
            "DNS:registry.local, IP Address:10.0.0.5",
            "Digital Signature, Key Encipherment",
            "CN = registry.local",
        ],
    );
    openssl::run(
        home.root(),
        &[
            "verify",
            "-purpose",
            "sslserver",
            "-CAfile",
            "own.crt",
            "-verify_ip",
            "10.0.0.5",
            "own.crt",
        ],
    );
}

// proves: MAKINA-10, MAKINA-19
#[test]
fn the_chain_ends_with_the_authority() {
    let home = Home::new();
    let pair = home.issue("leaf", &["registry.example.com"]);
    let chain = std::fs::read_to_string(pair.certificate).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(chain.ends_with(home.authority.certificate_pem()));
}

#[test]
fn the_fingerprint_is_openssls() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    let printed = openssl::run(
        home.root(),
        &["x509", "-in", "ca.crt", "-noout", "-fingerprint", "-sha256"],
    );
    let (_, fingerprint) = printed.trim().split_once('=').unwrap();
    assert_eq!(
        fingerprint_sha256(home.authority.certificate_pem()).as_deref(),
        Some(fingerprint)
    );
    assert_eq!(fingerprint_sha256("nothing"), None);
}

// proves: MAKINA-19
#[test]
fn an_authority_is_loaded_again_and_issues() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    let again = Authority::load(&home.path("ca.crt"), &home.path("ca.key")).unwrap();
    assert_eq!(again.certificate_pem(), home.authority.certificate_pem());
    home.write("leaf", &again.issue(&request(&["a.example"])).unwrap());
    openssl::run(
        home.root(),
        &["verify", "-x509_strict", "-CAfile", "ca.crt", "leaf.crt"],
    );
}

// proves: MAKINA-19
#[test]
fn an_authority_that_openssl_made_issues_too() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    for (name, key) in [("rsa", "rsa:2048"), ("ec", "ec")] {
        let (certificate, private) = (format!("{name}.crt"), format!("{name}.key"));
        let mut arguments = vec![
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            key,
            "-days",
            "30",
            "-subj",
            "/C=FR/O=Makina/OU=a/CN=Own CA",
        ];
        if key == "ec" {
            arguments.extend(["-pkeyopt", "ec_paramgen_curve:P-384"]);
        }
        arguments.extend(["-out", &certificate, "-keyout", &private]);
        openssl::run(home.root(), &arguments);
        let authority = Authority::load(&home.path(&certificate), &home.path(&private)).unwrap();
        home.write("leaf", &authority.issue(&request(&["a.example"])).unwrap());
        openssl::run(home.root(), &["verify", "-CAfile", &certificate, "leaf.crt"]);
        // It asked for 397 days; the authority has 30.
        let end = |file: &str| openssl::run(home.root(), &["x509", "-in", file, "-noout", "-enddate"]);
        assert_eq!(end("leaf.crt"), end(&certificate));
    }
}

// Two organizational units are legal in a name, and the generator would keep one of them.
#[test]
fn an_authority_whose_name_would_be_changed_is_refused() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    openssl::run(
        home.root(),
        &[
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "rsa:2048",
            "-days",
            "30",
            "-subj",
            "/OU=one/OU=two/CN=CA",
            "-out",
            "two.crt",
            "-keyout",
            "two.key",
        ],
    );
    let authority = Authority::load(&home.path("two.crt"), &home.path("two.key")).unwrap();
    assert!(matches!(
        authority.issue(&request(&["a.example"])),
        Err(IssueError::AuthorityName { .. })
    ));
}

#[test]
fn a_leaf_is_no_authority() {
    let home = Home::new();
    let pair = home.issue("leaf", &["a.example"]);
    let refused = Authority::load(&pair.certificate, &pair.key);
    assert!(matches!(refused, Err(IssueError::NotAnAuthority { .. })));
    let mixed = Authority::load(&home.path("ca.crt"), &pair.key).unwrap_err();
    assert_holds(&mixed.to_string(), &["leaf.key", "does not belong to the certificate"]);
}

#[test]
fn addresses_alone_are_enough() {
    let home = Home::new();
    let pair = home.issue("leaf", &["10.1.2.3"]);
    let described = lockgate_certs::describe::file(
        &pair.certificate,
        Some(&pair.key),
        Some("10.1.2.3"),
        std::time::SystemTime::now(),
    )
    .unwrap();
    assert_eq!(described.addresses, ["10.1.2.3".parse::<IpAddr>().unwrap()]);
    assert!(described.problems.is_empty(), "{described}");
}

// proves: MAKINA-10, MAKINA-19
#[test]
fn an_intermediate_authority_issues_with_everything_above_it() {
    let home = Home::new();
    let mut certificates = Certificates::new(home.root());
    certificates.self_signed("root", authority("Root"));
    certificates.issue("middle", "root", authority("Middle"));
    let read = |name: &str| std::fs::read_to_string(home.path(name)).unwrap();
    std::fs::write(home.path("bundle.crt"), read("middle.crt") + &read("root.crt")).unwrap();
    let middle = Authority::load(&home.path("bundle.crt"), &home.path("middle.key")).unwrap();
    let pair = home.write("leaf", &middle.issue(&request(&["a.example"])).unwrap());
    assert_eq!(read("leaf.crt").matches("BEGIN CERTIFICATE").count(), 3);
    let resolver = Resolver::new(pair, vec![]).unwrap();
    let server = Server::start(server_config(resolver, &ServerOptions::default()).unwrap());
    Client::connect(
        &server,
        "a.example",
        &Settings::trusting(&home.path("root.crt")).build(),
    )
    .unwrap();
}
