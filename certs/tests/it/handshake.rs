//! The proxy's TLS, asked by real clients.

use std::sync::Arc;

use lockgate_certs::{
    CertificateFiles, ClientVerification, LeafRequest, Resolver, ServerOptions, TLS13_ONLY, leaf, server_config,
};
use lockgate_testkit::certificates::{Certificates, authority, named};
use lockgate_testkit::require;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::{HandshakeKind, ProtocolVersion};

use crate::harness::{Client, Home, Server, Settings, leaf_der, request};
use crate::openssl;

fn serve(default: CertificateFiles, aliases: Vec<(String, CertificateFiles)>, options: &ServerOptions) -> Server {
    let resolver = Resolver::new(default, aliases).unwrap();
    Server::start(server_config(resolver, options).unwrap())
}

#[test]
fn both_versions_are_spoken_unless_the_minimum_says_otherwise() {
    let home = Home::new();
    let pair = home.issue("leaf", &["localhost"]);
    let ca = home.path("ca.crt");
    let old = Settings {
        versions: &[&rustls::version::TLS12],
        ..Settings::trusting(&ca)
    };
    let both = serve(pair.clone(), vec![], &ServerOptions::default());
    let client = Client::connect(&both, "localhost", &old.build()).unwrap();
    assert_eq!(client.connection().protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let client = Client::connect(&both, "localhost", &Settings::trusting(&ca).build()).unwrap();
    assert_eq!(client.connection().protocol_version(), Some(ProtocolVersion::TLSv1_3));

    let options = ServerOptions {
        versions: TLS13_ONLY,
        ..ServerOptions::default()
    };
    let new = serve(pair, vec![], &options);
    assert!(Client::connect(&new, "localhost", &old.build()).is_err());
    Client::connect(&new, "localhost", &Settings::trusting(&ca).build()).unwrap();
}

#[test]
fn sessions_are_resumed_in_both_versions() {
    let home = Home::new();
    let server = serve(home.issue("leaf", &["localhost"]), vec![], &ServerOptions::default());
    let ca = home.path("ca.crt");
    for version in rustls::ALL_VERSIONS {
        let config = Settings {
            versions: &[version],
            ..Settings::trusting(&ca)
        }
        .build();
        let kind = || {
            Client::connect(&server, "localhost", &config)
                .unwrap()
                .connection()
                .handshake_kind()
        };
        // TLS 1.3 may ask for another key share in a first, full handshake.
        assert_ne!(kind(), Some(HandshakeKind::Resumed));
        assert_eq!(kind(), Some(HandshakeKind::Resumed), "{version:?}");
    }
}

#[test]
fn alpn_offers_h2_only_when_it_is_on() {
    let home = Home::new();
    let pair = home.issue("leaf", &["localhost"]);
    let mut config = (*Settings::trusting(&home.path("ca.crt")).build()).clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    for (http2, expected) in [(true, &b"h2"[..]), (false, b"http/1.1")] {
        let options = ServerOptions {
            http2,
            ..ServerOptions::default()
        };
        let server = serve(pair.clone(), vec![], &options);
        let client = Client::connect(&server, "localhost", &config).unwrap();
        assert_eq!(client.connection().alpn_protocol(), Some(expected));
    }
}

// proves: MAKINA-12
#[test]
fn sni_chooses_the_exact_name_then_the_wildcard_then_the_default() {
    let home = Home::new();
    let every = &["localhost", "a.example", "b.example", "c.b.example", "d.c.b.example"];
    let default = home.issue("default", every);
    let exact = home.issue("exact", every);
    let wildcard = home.issue("wildcard", every);
    let one = home.issue("one", every);
    let aliases = vec![
        ("A.example".to_owned(), exact.clone()),
        ("*.b.example".to_owned(), wildcard.clone()),
        ("one.b.example".to_owned(), one.clone()),
    ];
    let server = serve(default.clone(), aliases, &ServerOptions::default());
    let config = Settings::trusting(&home.path("ca.crt")).build();
    for (name, pair) in [
        ("localhost", &default),
        ("a.example", &exact),
        ("A.EXAMPLE", &exact),
        ("b.example", &default),
        ("c.b.example", &wildcard),
        ("d.c.b.example", &default),
    ] {
        let client = Client::connect(&server, name, &config).unwrap();
        assert_eq!(client.leaf(), leaf_der(&pair.certificate), "{name}");
    }
}

// proves: TOY-04, TOY-06
#[test]
fn a_client_without_sni_connects_by_address() {
    let home = Home::new();
    let server = serve(home.issue("leaf", &["127.0.0.1"]), vec![], &ServerOptions::default());
    let ca = home.path("ca.crt");
    Client::connect(&server, "127.0.0.1", &Settings::trusting(&ca).build()).unwrap();
    assert!(Client::connect(&server, "127.0.0.2", &Settings::trusting(&ca).build()).is_err());
}

// proves: HOMELAB-12
#[test]
fn a_leaf_that_signed_itself_is_trusted_as_a_clients_authority() {
    let home = Home::new();
    let pair = home.write("own", &leaf::self_signed(&request(&["localhost"])).unwrap());
    let server = serve(pair.clone(), vec![], &ServerOptions::default());
    Client::connect(&server, "localhost", &Settings::trusting(&pair.certificate).build()).unwrap();
    let stranger = Settings::trusting(&home.path("ca.crt")).build();
    assert!(Client::connect(&server, "localhost", &stranger).is_err());
}

// proves: MAKINA-10, SECURE-07
#[test]
fn openssl_sees_the_full_chain() {
    if !require(&["openssl"]) {
        return;
    }
    let home = Home::new();
    let server = serve(home.issue("leaf", &["localhost"]), vec![], &ServerOptions::default());
    let address = server.address.to_string();
    let printed = openssl::run(
        home.root(),
        &[
            "s_client",
            "-connect",
            &address,
            "-servername",
            "localhost",
            "-CAfile",
            "ca.crt",
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
            "-showcerts",
        ],
    );
    assert_eq!(printed.matches("BEGIN CERTIFICATE").count(), 2, "{printed}");
    assert!(printed.contains("Verify return code: 0 (ok)"), "{printed}");
}

#[test]
fn client_certificates_are_asked_for_and_verified() {
    let home = Home::new();
    let pair = home.issue("leaf", &["localhost"]);
    let mut certificates = Certificates::new(home.root());
    for (name, issuer) in [("good", "clients"), ("bad", "strangers")] {
        certificates.self_signed(issuer, authority(issuer));
        let mut client = named(name);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        certificates.issue(name, issuer, client);
    }
    let (good, bad) = (home.pair("good"), home.pair("bad"));
    let bundle = vec![home.path("clients.crt")];
    let ca = home.path("ca.crt");
    let connects = |client_auth: &ClientVerification, own: Option<&CertificateFiles>| {
        let options = ServerOptions {
            client_auth: client_auth.clone(),
            ..ServerOptions::default()
        };
        let server = serve(pair.clone(), vec![], &options);
        let settings = Settings {
            own,
            ..Settings::trusting(&ca)
        };
        Client::connect(&server, "localhost", &settings.build()).is_ok()
    };
    let required = ClientVerification::Required(bundle.clone());
    assert!(connects(&required, Some(&good)));
    assert!(!connects(&required, Some(&bad)));
    assert!(!connects(&required, None));
    let if_given = ClientVerification::IfGiven(bundle);
    assert!(connects(&if_given, Some(&good)));
    assert!(!connects(&if_given, Some(&bad)));
    assert!(connects(&if_given, None));
}

#[test]
fn a_wrong_bundle_of_client_authorities_is_an_error_with_its_path() {
    let home = Home::new();
    let resolver = Resolver::new(home.issue("leaf", &["localhost"]), vec![]).unwrap();
    for (bundles, part) in [
        (vec![home.path("none.crt")], "none.crt"),
        (vec![], "cannot be verified"),
    ] {
        let options = ServerOptions {
            client_auth: ClientVerification::Required(bundles),
            ..ServerOptions::default()
        };
        let error = server_config(resolver.clone(), &options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn an_rsa_leaf_serves_both_versions() {
    let home = Home::new();
    let wanted = LeafRequest {
        key: lockgate_certs::KeyKind::Rsa2048,
        ..request(&["localhost"])
    };
    let pair = home.write("rsa", &home.authority.issue(&wanted).unwrap());
    let server = serve(pair, vec![], &ServerOptions::default());
    let ca = home.path("ca.crt");
    for version in rustls::ALL_VERSIONS {
        let settings = Settings {
            versions: &[version],
            ..Settings::trusting(&ca)
        };
        Client::connect(&server, "localhost", &settings.build()).unwrap();
    }
}
