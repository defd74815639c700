//! The config.yml that set-up writes.

use lockgate_config::{CertificateSource, Home, template};

use crate::harness::File;

fn text() -> String {
    template(":5000", &["registry.example.com".into(), "10.0.0.7".into()])
}

#[test]
fn loads_without_mistakes_or_warnings() {
    let file = File::new(text());
    let config = file.load(&[]).unwrap();
    assert_eq!(config.warnings, []);
    let home = Home::new(file.directory());
    assert_eq!(config.storage.root, home.data());
    assert!(config.storage.delete);
    assert_eq!(config.http.addr.to_string(), ":5000");
    assert_eq!(config.auth.htpasswd.unwrap().path, home.htpasswd());
    assert_eq!(config.health.storage.unwrap().threshold, 3);
    let certificate = config.http.tls.unwrap().certificate;
    assert!(
        matches!(&certificate, CertificateSource::Auto { hostnames } if *hostnames == ["registry.example.com", "10.0.0.7"]),
        "{certificate:?}"
    );
}

#[test]
fn loads_without_host_names_and_with_any_address() {
    for addr in ["127.0.0.1:0", "[::]:443", "unix:/run/a b#c.sock"] {
        let config = File::new(template(addr, &[])).load(&[]).unwrap();
        assert_eq!(config.http.addr.to_string(), addr);
    }
}

#[test]
fn explains_each_line() {
    for line in text().lines().filter(|line| !line.is_empty()) {
        assert!(line.contains("# "), "{line}");
    }
}

/// Lines that are commented out work when their `#` is taken away, alone or, for a certificate of one's own, instead
/// of `auto`.
#[test]
fn each_line_that_is_commented_out_works() {
    let text = text();
    let is_offered = |line: &&str| line.trim_start().starts_with('#') && !line.starts_with("# ");
    let offered: Vec<_> = text.lines().filter(is_offered).collect();
    assert!(offered.len() >= 6, "{offered:?}");
    for line in offered {
        if line.contains("tls/my.") {
            continue;
        }
        let enabled = text.replace(line, &line.replacen('#', "", 1));
        assert_ne!(enabled, text);
        let config = File::new(&enabled)
            .load(&[])
            .unwrap_or_else(|error| panic!("{line}: {error:?}"));
        assert_eq!(config.warnings, [], "{line}");
    }

    let own: String = text
        .lines()
        .filter(|line| !["auto:", "hostnames:"].iter().any(|key| line.trim_start().starts_with(key)))
        .map(|line| if line.contains("tls/my.") { line.replacen('#', "", 1) } else { line.to_owned() } + "\n")
        .collect();
    let file = File::new(own);
    let certificate = file.load(&[]).unwrap().http.tls.unwrap().certificate;
    let expected = file.directory().join("tls/my.key");
    assert!(
        matches!(&certificate, CertificateSource::Files { key, .. } if *key == expected),
        "{certificate:?}"
    );
}
