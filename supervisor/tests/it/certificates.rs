//! `lockgate cert`

use lockgate_testkit::certificates::{Certificates, authority, server};
use lockgate_testkit::tls;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;
use x509_parser::public_key::PublicKey;

use crate::harness::{PLAIN, Workdir};

#[test]
fn a_certificate_is_made_with_every_wish_and_overwritten_with_consent_only() {
    // proves: MOSI-20, SECURE-05, SECURE-06, TOY-04, HOMELAB-12
    let workdir = Workdir::new();
    let wishes = [
        "cert",
        "new",
        "--out",
        "made",
        "--rsa",
        "2048",
        "--days",
        "365",
        "--name",
        "r.example",
        "--ip",
        "192.0.2.1",
        "--country",
        "DE",
        "--state",
        "Bavaria",
        "--locality",
        "Munich",
        "--organization",
        "Ex & Co",
        "--common-name",
        "r.example",
    ];
    workdir.run(&wishes).expect(0);
    let (_, pem) = parse_x509_pem(workdir.read("made/registry.crt").as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    assert_eq!(
        certificate.subject().to_string(),
        "C=DE, ST=Bavaria, L=Munich, O=Ex & Co, CN=r.example"
    );
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    for name in [
        GeneralName::DNSName("r.example"),
        GeneralName::IPAddress(&[192, 0, 2, 1]),
    ] {
        assert!(names.value.general_names.contains(&name), "{name}: {names:?}");
    }
    let key = certificate.public_key().parsed().unwrap();
    assert!(matches!(key, PublicKey::RSA(_)) && key.key_size() == 2048, "{key:?}");
    let days = (certificate.validity().not_after - certificate.validity().not_before).unwrap();
    assert_eq!(days.whole_days(), 365);
    assert_eq!(workdir.mode("made/registry.key"), 0o600);

    let before = workdir.read("made/registry.crt");
    let refused = workdir.run(&wishes).expect(1);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(before, workdir.read("made/registry.crt"));
    workdir.run(&[&wishes[..], &["--force"]].concat()).expect(0);
    assert_ne!(before, workdir.read("made/registry.crt"));
}

#[test]
fn the_homes_own_certificate_can_be_made_again_and_stays() {
    // proves: SECURE-05
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", ":5000"]).expect(0);
    let authority = workdir.read("lockgate/tls/ca.crt");
    workdir
        .run(&[
            "cert",
            "new",
            "--force",
            "--organization",
            "Mine",
            "--name",
            "r.example",
        ])
        .expect(0);
    let leaf = workdir.read("lockgate/tls/registry.crt");
    workdir.run(&["setup"]).expect(0);
    assert_eq!(
        leaf,
        workdir.read("lockgate/tls/registry.crt"),
        "it serves, so it is not issued again"
    );
    assert_eq!(
        authority,
        workdir.read("lockgate/tls/ca.crt"),
        "the authority never changes"
    );
    let shown = workdir.run(&["cert", "show", "--host", "r.example"]).expect(0);
    assert!(shown.stdout.contains("Mine"), "{}", shown.stdout);
}

#[test]
fn trust_is_told_for_the_real_host_and_port() {
    // proves: TRUST-07
    let workdir = Workdir::new();
    workdir
        .run(&["setup", "--listen", ":5000", "--hostname", "r.example"])
        .expect(0);
    let told = workdir.run(&["cert", "trust", "docker"]).expect(0);
    assert!(
        told.stdout.contains("/etc/docker/certs.d/r.example:5000/ca.crt"),
        "{}",
        told.stdout
    );
    let other = workdir
        .run(&["cert", "trust", "podman", "--host", "other.example", "--port", "443"])
        .expect(0);
    assert!(
        other.stdout.contains("/etc/containers/certs.d/other.example/ca.crt"),
        "{}",
        other.stdout
    );
    let unknown = workdir.run(&["cert", "trust", "netscape"]).expect(2);
    assert!(unknown.stderr.contains("containerd"), "{}", unknown.stderr);
}

#[test]
fn what_an_authority_sent_is_bundled_and_shown_whole() {
    // proves: SECURE-07, MAKINA-10, MAKINA-19
    let workdir = Workdir::new();
    let mut certificates = Certificates::new(&workdir.path(""));
    certificates.self_signed("root", authority("root"));
    certificates.issue("middle", "root", authority("middle"));
    certificates.issue("leaf", "middle", server("leaf", "r.example"));

    let bundle = ["cert", "new", "--out", "made", "--bundle"];
    let missing = workdir.run(&[&bundle[..], &["leaf.crt"]].concat()).expect(1);
    assert!(missing.stderr.contains("CN=middle is missing"), "{}", missing.stderr);
    assert!(!workdir.path("made").exists());
    workdir
        .run(&[&bundle[..], &["middle.crt", "leaf.crt"]].concat())
        .expect(0);
    let kept = workdir
        .run(&[&bundle[..], &["middle.crt", "leaf.crt"]].concat())
        .expect(1);
    assert!(kept.stderr.contains("--force"), "{}", kept.stderr);

    let tls = "  tls:\n    certificate: made/registry.crt\n    key: leaf.key\n";
    let config = workdir.write("config.yml", &format!("{PLAIN}{tls}"));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    let trusting = tls::trusting(&workdir.read("root.crt"));
    let chain = tls::chain(&tls::connect(&running.address, "r.example", &trusting).unwrap());
    assert_eq!(chain.len(), 2, "{chain:?}");
}
