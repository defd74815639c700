//! docs/ARCHITECTURE.md as a test: who may import whom, what is absent, and that a rule has one home.

mod graph;
mod one_home;
mod table;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Every package and its folder. What a package may import is the sum of what the table in docs/ARCHITECTURE.md says of
/// its folders.
const CRATES: [(&str, &str); 9] = [
    ("lockgate-admission", "common/admission"),
    ("lockgate-files", "common/files"),
    ("lockgate-wire", "common/wire"),
    ("lockgate-config", "config"),
    ("lockgate-certs", "certs"),
    ("lockgate-registry", "registry"),
    ("lockgate-proxy", "proxy"),
    ("lockgate", "supervisor"),
    ("lockgate-testkit", "common/testkit"),
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
    (
        "proxy/src",
        &[
            "htpasswd",
            "argon2",
            "auth.acl",
            "lockgate_registry",
            "serde_json::from",
            "mediaType",
        ],
    ),
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
fn every_crate_is_known_and_depends_on_what_it_imports() {
    let packages = dependencies(true);
    assert_eq!(
        packages.len(),
        CRATES.len(),
        "a new crate needs its place in this table"
    );
    for (package, dependencies) in packages {
        let (_, folder) = CRATES.iter().find(|(name, _)| *name == package).expect("known");
        let ours = |name: &&String| name.starts_with("lockgate");
        let depends: BTreeSet<String> = dependencies
            .iter()
            .filter(ours)
            .map(|name| name.replace('-', "_"))
            .collect();
        let imports = graph::files(&root().join(folder).join("src")).into_values().flatten();
        let imports: BTreeSet<String> = imports.filter(|name| name.starts_with("lockgate_")).collect();
        assert_eq!(
            depends, imports,
            "{package}: what Cargo.toml names, and what the code imports"
        );
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

/// Libraries that keep data in a form of their own; images, accounts and state are files that others can read.
const DATABASES: [&str; 10] = [
    "diesel", "fjall", "heed", "lmdb", "redb", "redis", "rocksdb", "rusqlite", "sled", "sqlx",
];

#[test]
fn there_is_no_database() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in DATABASES {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name} is a database");
    }
}

#[test]
fn nothing_is_unsafe() {
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("\nunsafe_code = \"forbid\""));
    for (package, folder) in CRATES {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{package} has lints of its own"
        );
    }
}

#[test]
fn one_owner_of_child_processes() {
    for (_, folder) in CRATES {
        for file in sources(&root().join(folder).join("src")) {
            let code = code(&std::fs::read_to_string(&file).unwrap());
            assert!(!code.contains("tokio::process"), "{}", file.display());
            let waits = code.contains("waitpid") && !file.ends_with("os/exit_status.rs");
            assert!(!waits, "{} waits for child processes", file.display());
        }
    }
}

#[test]
fn each_folder_imports_what_the_architecture_says() {
    let mut rooms = graph::Graph::new();
    for (_, folder) in CRATES {
        let of_crate = graph::rooms(&graph::files(&root().join(folder).join("src")));
        assert_eq!(
            graph::circles(&of_crate),
            Vec::<Vec<&str>>::new(),
            "folders of {folder}/src import each other"
        );
        for (room, imports) in of_crate {
            rooms.insert(
                format!("{folder}/{room}"),
                imports.iter().map(|name| folder_of(name)).collect(),
            );
        }
    }
    let architecture = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let differ = rooms != table::read(&architecture);
    assert!(
        !differ,
        "docs/ARCHITECTURE.md and the code differ; the code says:\n{}",
        table::write(&rooms)
    );
}

/// `lockgate_wire` as the tables call it, `common/wire`; every other name as it is.
fn folder_of(import: &str) -> String {
    let crate_of = |(package, _): &&(&str, &str)| package.replace('-', "_") == import;
    CRATES
        .iter()
        .find(crate_of)
        .map_or(import, |(_, folder)| folder)
        .to_owned()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for (_, folder) in CRATES {
        let files = graph::files(&root().join(folder).join("src"));
        for circle in graph::circles(&files) {
            let inside = |name: &&str| circle.contains(name);
            let arrows = circle.iter().map(|file| {
                let imports: Vec<&str> = files[*file].iter().map(String::as_str).filter(inside).collect();
                format!("  {file} imports {}", imports.join(", "))
            });
            found.push(format!("{folder}/src:\n{}", arrows.collect::<Vec<_>>().join("\n")));
        }
    }
    assert!(
        found.is_empty(),
        "files import each other in a circle\n{}",
        found.join("\n")
    );
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
