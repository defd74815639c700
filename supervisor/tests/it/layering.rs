//! The layers of DESIGN section 2, as a test: who may import whom, and what each crate never touches.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Package, folder, and which of ours it may import.
const MAY_IMPORT: [(&str, &str, &[&str]); 9] = [
    ("lockgate-admission", "common/admission", &[]),
    ("lockgate-files", "common/files", &[]),
    ("lockgate-wire", "common/wire", &[]),
    ("lockgate-config", "config", &[]),
    ("lockgate-certs", "certs", &["lockgate-files"]),
    (
        "lockgate-registry",
        "registry",
        &[
            "lockgate-admission",
            "lockgate-files",
            "lockgate-wire",
            "lockgate-config",
        ],
    ),
    (
        "lockgate-proxy",
        "proxy",
        &[
            "lockgate-admission",
            "lockgate-files",
            "lockgate-wire",
            "lockgate-config",
            "lockgate-certs",
        ],
    ),
    (
        "lockgate",
        "supervisor",
        &[
            "lockgate-files",
            "lockgate-config",
            "lockgate-certs",
            "lockgate-registry",
            "lockgate-proxy",
        ],
    ),
    ("lockgate-testkit", "common/testkit", &[]),
];

/// What tests of every package may import, and nothing that ships does.
const TESTS_ONLY: &str = "lockgate-testkit";

/// Package and what it never depends on, whatever kind of dependency: the registry sees no TLS, configuration and
/// certificates see no HTTP, and the command line is the binary's alone.
const NEVER_DEPENDS_ON: [(&str, &[&str]); 6] = [
    ("lockgate-files", &["actix-web", "pingora", "rustls", "tokio", "clap"]),
    ("lockgate-wire", &["actix-web", "pingora", "rustls", "tokio", "clap"]),
    (
        "lockgate-registry",
        &[
            "rustls",
            "tokio-rustls",
            "openssl",
            "native-tls",
            "pingora",
            "pingora-proxy",
            "clap",
        ],
    ),
    (
        "lockgate-proxy",
        &["actix-web", "actix-http", "argon2", "bcrypt", "clap"],
    ),
    ("lockgate-config", &["actix-web", "pingora", "rustls", "tokio", "clap"]),
    ("lockgate-certs", &["actix-web", "pingora", "tokio", "clap"]),
];

/// Below which folder, and which words its code never holds.
const NEVER_SAYS: [(&str, &[&str]); 9] = [
    ("common/files/src", &["lockgate_"]),
    ("common/wire/src", &["lockgate_"]),
    ("registry/src", &["rustls", "lockgate_certs", "lockgate_proxy"]),
    ("registry/src/oci", &["actix", "std::fs", "tokio::"]),
    ("registry/src/service", &["actix", "std::fs", "crate::http"]),
    (
        "registry/src/storage",
        &["actix", "crate::http", "crate::service", "crate::auth"],
    ),
    ("proxy/src", &["htpasswd", "argon2", "auth.acl", "lockgate_registry"]),
    ("config/src", &["lockgate_"]),
    (
        "certs/src",
        &[
            "lockgate_config",
            "lockgate_registry",
            "lockgate_proxy",
            "lockgate_wire",
        ],
    ),
];

const LONGEST_MAIN: usize = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Package name and names of its dependencies; `normal` leaves those of tests and builds out.
fn dependencies(normal: bool) -> Vec<(String, BTreeSet<String>)> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap().iter();
            (
                name(package),
                all.filter(|found| !normal || found["kind"].is_null())
                    .map(name)
                    .collect(),
            )
        })
        .collect()
}

/// Source files below `folder`, but those that hold tests alone: `tests.rs` and `*_tests.rs`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !holds_tests(&path) {
            found.push(path);
        }
    }
    found
}

fn holds_tests(file: &Path) -> bool {
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    name == "tests" || name.ends_with("_tests")
}

/// The code of a file: without comments, and without its tests, which may use what they like.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_crate_is_known_and_imports_only_what_it_may() {
    let packages = dependencies(false);
    assert_eq!(
        packages.len(),
        MAY_IMPORT.len(),
        "a new crate needs its place in this table"
    );
    for (package, dependencies) in packages {
        let (.., may) = MAY_IMPORT.iter().find(|(name, ..)| *name == package).expect("known");
        for found in dependencies.iter().filter(|name| name.starts_with("lockgate")) {
            let known = may.contains(&found.as_str()) || found == TESTS_ONLY;
            assert!(known, "{package} imports {found}");
        }
    }
    for (package, dependencies) in dependencies(true) {
        assert!(!dependencies.contains(TESTS_ONLY), "{package} ships {TESTS_ONLY}");
    }
}

#[test]
fn no_crate_depends_on_what_is_not_its_business() {
    let packages = dependencies(true);
    for (package, never) in NEVER_DEPENDS_ON {
        let (_, dependencies) = packages.iter().find(|(name, _)| name == package).expect("known");
        for name in never {
            assert!(!dependencies.contains(*name), "{package} depends on {name}");
        }
    }
}

#[test]
fn no_layer_says_what_it_must_not_know() {
    for (folder, never) in NEVER_SAYS {
        let files = sources(&root().join(folder));
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            let code = code(&std::fs::read_to_string(&file).unwrap());
            for word in never {
                assert!(!code.contains(word), "{} says {word}", file.display());
            }
        }
    }
}

#[test]
fn one_owner_of_child_processes() {
    for (_, folder, _) in MAY_IMPORT {
        for file in sources(&root().join(folder).join("src")) {
            let code = code(&std::fs::read_to_string(&file).unwrap());
            assert!(!code.contains("tokio::process"), "{}", file.display());
            let waits = code.contains("waitpid") && !file.ends_with("os/exit_status.rs");
            assert!(!waits, "{} waits for child processes", file.display());
        }
    }
}

#[test]
fn main_is_thin() {
    let lines = std::fs::read_to_string(root().join("supervisor/src/main.rs"))
        .unwrap()
        .lines()
        .count();
    assert!(lines <= LONGEST_MAIN, "{lines} lines");
}

#[test]
fn comments_and_tests_are_no_code() {
    let text = "use a; // rustls\n/// actix\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use actix;\n}\n";
    assert_eq!(code(text), "use a; \n\nfn f() {}");
}
