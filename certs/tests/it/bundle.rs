//! Bundles of what an authority sends, whatever order it comes in.

use std::path::{Path, PathBuf};

use lockgate_certs::bundle::{BundleError, bundle};
use lockgate_certs::{CertificateFiles, Resolver, ServerOptions, server_config};
use lockgate_testkit::certificates::{Certificates, authority, server};

use crate::harness::{Client, Server, Settings};

/// root, middle and inner sign each other downwards, inner signs leaf; other is another server's, of root.
fn chains(directory: &Path) -> Certificates {
    let mut certificates = Certificates::new(directory);
    certificates.self_signed("root", authority("root"));
    certificates.issue("middle", "root", authority("middle"));
    certificates.issue("inner", "middle", authority("inner"));
    certificates.issue("leaf", "inner", server("leaf", "r.example"));
    certificates.issue("other", "root", server("other", "r.example"));
    certificates
}

fn files(directory: &Path, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| directory.join(format!("{name}.crt"))).collect()
}

// proves: MAKINA-10, MAKINA-19
#[test]
fn any_order_becomes_the_right_one() {
    let directory = tempfile::tempdir().unwrap();
    chains(directory.path());
    let with_root = ["CN=leaf", "CN=inner", "CN=middle", "CN=root"];
    for (names, expected) in [
        (&["leaf", "inner", "middle"][..], &with_root[..3]),
        (&["middle", "leaf", "inner"], &with_root[..3]),
        (&["root", "middle", "inner", "leaf"], &with_root),
        (&["inner", "middle", "root", "leaf", "inner"], &with_root),
    ] {
        let made = bundle(&files(directory.path(), names)).unwrap();
        assert_eq!(made.subjects, expected, "{names:?}");
        std::fs::write(directory.path().join("made.crt"), made.chain_pem).unwrap();
        is_trusted(directory.path());
        let again = bundle(&files(directory.path(), &["made"])).unwrap();
        assert_eq!(again.subjects, expected, "a bundle stays as it is");
    }
}

/// Whether a client that trusts `root.crt` takes `made.crt`.
fn is_trusted(directory: &Path) {
    let pair = CertificateFiles {
        certificate: directory.join("made.crt"),
        key: directory.join("leaf.key"),
    };
    let resolver = Resolver::new(pair, vec![]).unwrap();
    let server = Server::start(server_config(resolver, &ServerOptions::default()).unwrap());
    let settings = Settings::trusting(&directory.join("root.crt")).build();
    Client::connect(&server, "r.example", &settings).unwrap();
}

#[test]
fn what_makes_no_chain_is_told_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let mut certificates = chains(directory.path());
    let told = |names: &[&str]| bundle(&files(directory.path(), names)).unwrap_err().to_string();
    for (names, words) in [
        (
            &["leaf"][..],
            "the certificate of CN=inner is missing, which issued that of CN=leaf",
        ),
        (&["leaf", "middle"], "the certificate of CN=inner is missing"),
        (&["leaf", "inner", "root"], "the certificate of CN=middle is missing"),
        (
            &["middle", "inner", "root"],
            "none of the files holds a server's certificate",
        ),
        (&["leaf", "inner", "other"], "several servers (CN=leaf; CN=other)"),
        (&["leaf", "nothing"], "nothing.crt: cannot be read"),
    ] {
        let told = told(names);
        assert!(told.contains(words), "{names:?}: {told}");
    }
    assert!(matches!(
        bundle(&files(directory.path(), &["root"])),
        Err(BundleError::NoLeaf)
    ));
    std::fs::remove_file(directory.path().join("inner.crt")).unwrap();
    // Another authority by the same name.
    certificates.self_signed("inner", authority("inner"));
    assert!(told(&["leaf", "inner"]).contains("the name is the same and the key another"));
}
