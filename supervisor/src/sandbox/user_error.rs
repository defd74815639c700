//! Errors of choosing the users that the two processes run as.

use std::io;
use std::path::{Path, PathBuf};

/// Why no process can run as a user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error("process.{key} = {name}: there is no such {kind}; make it (`{make}`), or leave the key out")]
    Unknown {
        key: &'static str,
        name: String,
        kind: &'static str,
        make: String,
    },
    #[error("process.{key} = {name}: cannot be looked up: {source}")]
    Lookup {
        key: &'static str,
        name: String,
        source: io::Error,
    },
    #[error(
        "process.{key} = {name}: started as user {present}, which can run nothing as another; start as root, or leave the key out"
    )]
    NotRoot {
        key: &'static str,
        name: String,
        present: u32,
    },
    /// Root lacks the capabilities, or the user namespace lacks the user.
    #[error(
        "process.{key} = {name}: {reason}; grant CAP_SETUID, CAP_SETGID and CAP_CHOWN (docker: --cap-add), or leave the key out"
    )]
    Unable {
        key: &'static str,
        name: String,
        reason: String,
    },
    #[error(
        "{}; {} opens it; or move that, or leave process.proxyuser and process.registryuser out",
        closed(.user, .barrier, .path),
        opening(*.number, .barrier)
    )]
    Unreachable {
        user: String,
        number: u32,
        barrier: PathBuf,
        path: PathBuf,
    },
    #[error(
        "{}: belongs to user {owner}, not to {user} (process.registryuser); give it away with `lockgate start --chown`, or set process.registryuser: {owner}",
        .root.display()
    )]
    OthersData { root: PathBuf, owner: u32, user: String },
}

/// Says that `user` cannot pass `barrier`, which is the file at `path` or a directory above it.
pub(super) fn closed(user: &str, barrier: &Path, path: &Path) -> String {
    let closed = format!("{}: closed to user {user}", barrier.display());
    match barrier == path {
        true => closed,
        false => format!("{closed}, who needs {}", path.display()),
    }
}

/// The command that opens `barrier` to user `number`.
pub(super) fn opening(number: u32, barrier: &Path) -> String {
    let path = barrier.display();
    match barrier.is_dir() {
        true => format!("`chmod o+x {path}`"),
        false => format!("`chown {number} {path}`"),
    }
}
