//! Rules that have one home: the words of each stand in one source file of the workspace, or in those that are named.

use super::{CRATES, code, root, sources};

/// What is searched for (in any case of letters), what it would mean elsewhere, and where it may stand.
const HOMES: [(&str, &str, &[&str]); 10] = [
    (
        "docker/registry/v2",
        "a path of the storage layout",
        &["registry/src/storage/layout.rs"],
    ),
    (
        "x-lockgate-",
        "a header between proxy and registry",
        &["common/wire/src/headers.rs"],
    ),
    (
        "\"x-forwarded-for\" =>",
        "who is believed about the client",
        &["common/wire/src/fields.rs"],
    ),
    ("\"/healthz\"", "the path of a probe", &["common/wire/src/probe.rs"]),
    ("dirbuilder", "a private directory", &["common/files/src/create.rs"]),
    (
        "create_new(",
        "a file that must be new",
        &["common/files/src/create.rs"],
    ),
    (
        "preadv2",
        "a read that does not wait for the disk",
        &["common/files/src/cached.rs"],
    ),
    (
        "lock_shared(",
        "a lock that processes share",
        &["common/files/src/flock.rs"],
    ),
    ("fchown(", "the owner of a file", &["common/files/src/owner.rs"]),
    (
        "fs::rename(",
        "a file that replaces another",
        &[
            "common/files/src/write.rs",
            // Rules of their own: staged content, an account put aside, a full log, a socket that takes a name over.
            "registry/src/storage/filesystem/disk/durable.rs",
            "supervisor/src/acme/account.rs",
            "supervisor/src/logging/file.rs",
            "supervisor/src/supervisor/replace/replacement.rs",
        ],
    ),
];

#[test]
fn each_rule_has_one_home() {
    let mut found = Vec::new();
    for (_, folder) in CRATES {
        for file in sources(&root().join(folder).join("src")) {
            let name = file.strip_prefix(root()).unwrap().display().to_string();
            let code = code(&std::fs::read_to_string(&file).unwrap()).to_lowercase();
            if name.ends_with("tests.rs") {
                continue;
            }
            for (word, meaning, homes) in HOMES {
                if code.contains(word) && !homes.contains(&name.as_str()) {
                    found.push(format!(
                        "{name} says {word}, {meaning}: its home is {}",
                        homes.join(", ")
                    ));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_home_still_says_its_word() {
    for (word, _, homes) in HOMES {
        for home in homes {
            let text = std::fs::read_to_string(root().join(home)).unwrap_or_else(|error| panic!("{home}: {error}"));
            assert!(text.to_lowercase().contains(word), "{home} does not say {word}");
        }
    }
}
