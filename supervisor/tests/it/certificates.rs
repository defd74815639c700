//! `lockgate cert`

use crate::harness::Sandbox;

fn openssl(arguments: &[&str]) -> String {
    let output = std::process::Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_certificate_is_made_with_every_wish_and_overwritten_with_consent_only() {
    // proves: MOSI-20, SECURE-05, SECURE-06, TOY-04, HOMELAB-12
    let sandbox = Sandbox::new();
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
    sandbox.run(&wishes).expect(0);
    let certificate = sandbox.path("made/registry.crt");
    let text = openssl(&["x509", "-in", certificate.to_str().unwrap(), "-noout", "-text"]);
    for part in [
        "DNS:r.example",
        "IP Address:192.0.2.1",
        "C=DE, ST=Bavaria, L=Munich, O=Ex & Co, CN=r.example",
        "(2048 bit)",
    ] {
        assert!(text.replace(" = ", "=").contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(sandbox.mode("made/registry.key"), 0o600);

    let before = sandbox.read("made/registry.crt");
    let refused = sandbox.run(&wishes).expect(1);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(before, sandbox.read("made/registry.crt"));
    sandbox.run(&[&wishes[..], &["--force"]].concat()).expect(0);
    assert_ne!(before, sandbox.read("made/registry.crt"));
}

#[test]
fn the_homes_own_certificate_can_be_made_again_and_stays() {
    // proves: SECURE-05
    let sandbox = Sandbox::new();
    sandbox.run(&["setup", "--listen", ":5000"]).expect(0);
    let authority = sandbox.read("lockgate/tls/ca.crt");
    sandbox
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
    let leaf = sandbox.read("lockgate/tls/registry.crt");
    sandbox.run(&["setup"]).expect(0);
    assert_eq!(
        leaf,
        sandbox.read("lockgate/tls/registry.crt"),
        "it serves, so it is not issued again"
    );
    assert_eq!(
        authority,
        sandbox.read("lockgate/tls/ca.crt"),
        "the authority never changes"
    );
    let shown = sandbox.run(&["cert", "show", "--host", "r.example"]).expect(0);
    assert!(shown.stdout.contains("Mine"), "{}", shown.stdout);
}

#[test]
fn trust_is_told_for_the_real_host_and_port() {
    // proves: TRUST-07
    let sandbox = Sandbox::new();
    sandbox
        .run(&["setup", "--listen", ":5000", "--hostname", "r.example"])
        .expect(0);
    let told = sandbox.run(&["cert", "trust", "docker"]).expect(0);
    assert!(
        told.stdout.contains("/etc/docker/certs.d/r.example:5000/ca.crt"),
        "{}",
        told.stdout
    );
    let other = sandbox
        .run(&["cert", "trust", "podman", "--host", "other.example", "--port", "443"])
        .expect(0);
    assert!(
        other.stdout.contains("/etc/containers/certs.d/other.example/ca.crt"),
        "{}",
        other.stdout
    );
    let unknown = sandbox.run(&["cert", "trust", "netscape"]).expect(2);
    assert!(unknown.stderr.contains("containerd"), "{}", unknown.stderr);
}
