//! Files of users' own, right and wrong.

use std::fs;

use lockgate_certs::load::{LoadError, certified_key};
use lockgate_testkit::certificates::{self, Certificates, authority};
use lockgate_testkit::require;
use x509_parser::pem::parse_x509_pem;
use x509_parser::x509::X509Version;

use crate::harness::Home;
use crate::openssl;

fn message(home: &Home, certificate: &str, key: &str) -> String {
    certified_key(&home.path(certificate), &home.path(key))
        .unwrap_err()
        .to_string()
}

// proves: SECURE-07
#[test]
fn keys_are_read_in_every_form_that_openssl_writes() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    let run = |arguments: &str| openssl::run(home.root(), &arguments.split(' ').collect::<Vec<_>>());
    run(
        "req -x509 -nodes -newkey rsa:2048 -subj /CN=a -addext subjectAltName=DNS:a.example -out rsa.crt -keyout rsa8.key",
    );
    run("rsa -in rsa8.key -traditional -out rsa1.key");
    // With the EC PARAMETERS block in front that ecparam writes.
    run("ecparam -name prime256v1 -genkey -out sec1.key");
    run("req -x509 -key sec1.key -subj /CN=a -addext subjectAltName=DNS:a.example -out ec.crt");
    run("pkcs8 -topk8 -nocrypt -in sec1.key -out ec8.key");
    run("genpkey -algorithm ed25519 -out ed.key");
    run("req -x509 -key ed.key -subj /CN=a -addext subjectAltName=DNS:a.example -out ed.crt");
    for (certificate, key) in [
        ("rsa.crt", "rsa8.key"),
        ("rsa.crt", "rsa1.key"),
        ("ec.crt", "sec1.key"),
        ("ec.crt", "ec8.key"),
        ("ed.crt", "ed.key"),
    ] {
        certified_key(&home.path(certificate), &home.path(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    assert!(message(&home, "rsa.crt", "ec8.key").contains("does not belong to the certificate"));
}

#[test]
fn encrypted_keys_are_named_as_such() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    let run = |arguments: &str| openssl::run(home.root(), &arguments.split(' ').collect::<Vec<_>>());
    run("req -x509 -nodes -newkey rsa:2048 -subj /CN=a -out a.crt -keyout a.key");
    run("pkcs8 -topk8 -in a.key -passout pass:secret -out new.key");
    run("rsa -in a.key -traditional -aes128 -passout pass:secret -out old.key");
    for key in ["new.key", "old.key"] {
        let error = certified_key(&home.path("a.crt"), &home.path(key)).unwrap_err();
        assert!(matches!(error, LoadError::EncryptedKey { .. }), "{key}: {error}");
        assert!(error.to_string().contains("openssl pkey -in"), "{error}");
    }
}

// A leaf signed with `openssl x509 -req` and no extensions file was version 1 for years.
#[test]
fn a_version_1_leaf_is_served() {
    let home = Home::new();
    Certificates::new(home.root()).version_1("a", certificates::rsa_key());
    let (_, pem) = parse_x509_pem(&fs::read(home.path("a.crt")).unwrap()).unwrap();
    assert_eq!(pem.parse_x509().unwrap().version(), X509Version::V1);
    certified_key(&home.path("a.crt"), &home.path("a.key")).unwrap();
}

#[test]
fn mistakes_are_told_in_words() {
    let home = Home::new();
    home.issue("leaf", &["a.example"]);
    home.issue("other", &["a.example"]);
    let leaf = fs::read_to_string(home.path("leaf.crt")).unwrap();
    let second = leaf.rfind("-----BEGIN").unwrap();
    fs::write(
        home.path("swapped.crt"),
        format!("{}{}", &leaf[second..], &leaf[..second]),
    )
    .unwrap();
    fs::write(home.path("cut.crt"), &leaf[..second - 30]).unwrap();
    fs::write(home.path("flipped.crt"), leaf.replacen("MII", "MIJ", 1)).unwrap();
    fs::write(home.path("empty.crt"), "").unwrap();

    for (certificate, key, part) in [
        ("missing.crt", "leaf.key", "missing.crt: cannot be read"),
        ("empty.crt", "leaf.key", "holds no certificate (it is empty)"),
        ("leaf.key", "leaf.key", "holds no certificate but a private key"),
        ("leaf.crt", "leaf.crt", "holds no private key but a certificate"),
        (
            "leaf.crt",
            "other.key",
            "other.key: does not belong to the certificate in",
        ),
        (
            "swapped.crt",
            "leaf.key",
            "the key belongs to certificate 2 in the file",
        ),
        ("cut.crt", "leaf.key", "half written"),
        ("flipped.crt", "leaf.key", "certificate 1 in the file is damaged"),
    ] {
        let message = message(&home, certificate, key);
        assert!(message.contains(part), "{certificate} {key}: {message}");
    }
}

/// Windows' Notepad writes a byte order mark, its PowerShell UTF-16.
#[test]
fn what_windows_editors_saved_is_read_or_told() {
    let home = Home::new();
    home.issue("leaf", &["a.example"]);
    for name in ["leaf.crt", "leaf.key"] {
        let text = fs::read_to_string(home.path(name)).unwrap();
        fs::write(
            home.path(&format!("mark-{name}")),
            format!("\u{feff}{}", text.replace('\n', "\r\n")),
        )
        .unwrap();
        let utf16 = format!("\u{feff}{text}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<_>>();
        fs::write(home.path(&format!("wide-{name}")), utf16).unwrap();
    }
    certified_key(&home.path("mark-leaf.crt"), &home.path("mark-leaf.key")).unwrap();
    certified_key(&home.path("leaf.crt"), &home.path("mark-leaf.key")).unwrap();
    assert!(message(&home, "wide-leaf.crt", "leaf.key").contains("holds no certificate (it is UTF-16"));
    assert!(message(&home, "leaf.crt", "wide-leaf.key").contains("holds no private key (it is UTF-16"));
    // A file with the mark and nothing else.
    fs::write(home.path("mark.crt"), "\u{feff}").unwrap();
    assert!(message(&home, "mark.crt", "leaf.key").contains("holds no certificate (it is empty)"));
}

#[test]
fn a_key_that_is_too_short_is_told_as_such() {
    let home = Home::new();
    home.issue("leaf", &["a.example"]);
    fs::write(home.path("short.crt"), include_str!("fixtures/rsa-1024.crt")).unwrap();
    fs::write(home.path("short.key"), include_str!("fixtures/rsa-1024.key")).unwrap();
    let told = message(&home, "short.crt", "short.key");
    assert!(
        told.contains("short.key: the key cannot be used: it is RSA 1024") && told.contains("2048 bits"),
        "{told}"
    );
    // A certificate of another key says nothing about it.
    let told = message(&home, "leaf.crt", "short.key");
    assert!(
        told.contains("RSA with 2048 to 8192 bits") && !told.contains("unexpected"),
        "{told}"
    );
}

// proves: MAKINA-10
#[test]
fn intermediates_must_follow_in_order() {
    let home = Home::new();
    let mut certificates = Certificates::new(home.root());
    certificates.self_signed("root", authority("root"));
    for (name, issuer) in [("one", "root"), ("two", "one"), ("leaf", "two")] {
        certificates.issue(name, issuer, authority(name));
    }
    let bundle = |names: &[&str]| {
        let texts = names
            .iter()
            .map(|name| fs::read_to_string(home.path(&format!("{name}.crt"))).unwrap());
        fs::write(home.path("bundle.crt"), texts.collect::<String>()).unwrap();
        certified_key(&home.path("bundle.crt"), &home.path("leaf.key")).map(|key| key.cert.len())
    };
    assert_eq!(bundle(&["leaf", "two", "one", "root"]).unwrap(), 4);
    assert_eq!(bundle(&["leaf", "two", "one"]).unwrap(), 3);
    let error = bundle(&["leaf", "one", "two"]).unwrap_err();
    assert!(
        matches!(&error, LoadError::OutOfOrder { position: 1, issuer, .. } if issuer == "CN=two"),
        "{error}"
    );
}
