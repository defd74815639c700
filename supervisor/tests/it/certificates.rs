//! `lockgate cert`

use crate::harness::{PLAIN, Sandbox};

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

#[test]
fn what_an_authority_sent_is_bundled_and_shown_whole() {
    // proves: SECURE-07, MAKINA-10, MAKINA-19
    let sandbox = Sandbox::new();
    let make = |arguments: &str| {
        let mut command = std::process::Command::new("openssl");
        let output = command
            .args(arguments.split(' '))
            .current_dir(sandbox.path(""))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let extensions = "[ca]\nbasicConstraints=critical,CA:TRUE\n[leaf]\nsubjectAltName=DNS:r.example\n";
    sandbox.write("ext", extensions);
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    make(&format!(
        "req -x509 {key} -keyout root.key -out root.crt -subj /CN=root -days 9"
    ));
    for (name, issuer, section) in [("middle", "root", "ca"), ("leaf", "middle", "leaf")] {
        make(&format!(
            "req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        let signed = format!("-CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial -extfile ext -extensions {section}");
        make(&format!("x509 -req -in {name}.csr {signed} -out {name}.crt -days 9"));
    }

    let bundle = ["cert", "new", "--out", "made", "--bundle"];
    let missing = sandbox.run(&[&bundle[..], &["leaf.crt"]].concat()).expect(1);
    assert!(missing.stderr.contains("CN=middle is missing"), "{}", missing.stderr);
    assert!(!sandbox.path("made").exists());
    sandbox
        .run(&[&bundle[..], &["middle.crt", "leaf.crt"]].concat())
        .expect(0);
    let kept = sandbox
        .run(&[&bundle[..], &["middle.crt", "leaf.crt"]].concat())
        .expect(1);
    assert!(kept.stderr.contains("--force"), "{}", kept.stderr);

    let tls = "  tls:\n    certificate: made/registry.crt\n    key: leaf.key\n";
    let config = sandbox.write("config.yml", &format!("{PLAIN}{tls}"));
    let running = sandbox.start(&["--config", config.to_str().unwrap()]);
    let root = sandbox.path("root.crt");
    let shown = openssl(&[
        "s_client",
        "-connect",
        &running.address,
        "-servername",
        "r.example",
        "-verify_hostname",
        "r.example",
        "-CAfile",
        root.to_str().unwrap(),
        "-verify_return_error",
        "-showcerts",
    ]);
    assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 2, "{shown}");
    assert!(shown.contains("Verify return code: 0 (ok)"), "{shown}");
}
