//! Bundles of what an authority sends, whatever order it comes in.

use std::path::{Path, PathBuf};

use lockgate_certs::bundle::{BundleError, bundle};

use crate::openssl;

/// root, middle and inner sign each other downwards, inner signs leaf; other is another server's, of root.
fn authority() -> Option<tempfile::TempDir> {
    if !openssl::present() {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let make = |arguments: &str| openssl::run(directory.path(), &arguments.split(' ').collect::<Vec<_>>());
    let extensions = "[ca]\nbasicConstraints=critical,CA:TRUE\n[leaf]\nsubjectAltName=DNS:r.example\n";
    std::fs::write(directory.path().join("ext"), extensions).unwrap();
    make(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.crt -subj /CN=root -days 9",
    );
    for (name, issuer, section) in [
        ("middle", "root", "ca"),
        ("inner", "middle", "ca"),
        ("leaf", "inner", "leaf"),
        ("other", "root", "leaf"),
    ] {
        let key = format!("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key");
        make(&format!("req -new {key} -out {name}.csr -subj /CN={name}"));
        let signed = format!("-CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial -extfile ext -extensions {section}");
        make(&format!("x509 -req -in {name}.csr {signed} -out {name}.crt -days 9"));
    }
    Some(directory)
}

fn files(directory: &Path, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| directory.join(format!("{name}.crt"))).collect()
}

// proves: MAKINA-10, MAKINA-19
#[test]
fn any_order_becomes_the_right_one() {
    let Some(directory) = authority() else { return };
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
        let verified = "verify -CAfile root.crt -untrusted made.crt made.crt";
        openssl::run(directory.path(), &verified.split(' ').collect::<Vec<_>>());
        let again = bundle(&files(directory.path(), &["made"])).unwrap();
        assert_eq!(again.subjects, expected, "a bundle stays as it is");
    }
}

#[test]
fn what_makes_no_chain_is_told_in_words() {
    let Some(directory) = authority() else { return };
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
    let impostor =
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout x.key -out inner.crt -subj /CN=inner";
    openssl::run(directory.path(), &impostor.split(' ').collect::<Vec<_>>());
    assert!(told(&["leaf", "inner"]).contains("the name is the same and the key another"));
}
