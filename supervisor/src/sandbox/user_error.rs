//! Why nobody can be run as.

use std::io;
use std::path::{Path, PathBuf};

/// A user that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// Nobody is called so.
    #[error("process.{key} = {name}: there is no such {kind}; make it (`{make}`), or leave the key out")]
    Unknown {
        key: &'static str,
        name: String,
        kind: &'static str,
        make: String,
    },
    /// The database cannot be asked.
    #[error("process.{key} = {name}: cannot be looked up: {source}")]
    Lookup {
        key: &'static str,
        name: String,
        source: io::Error,
    },
    /// Only root becomes others.
    #[error(
        "process.{key} = {name}: started as user {present}, which can run nothing as another; start as root, or leave the key out"
    )]
    NotRoot {
        key: &'static str,
        name: String,
        present: u32,
    },
    /// Root without the means.
    #[error(
        "process.{key} = {name}: {reason}; grant CAP_SETUID, CAP_SETGID and CAP_CHOWN (docker: --cap-add), or leave the key out"
    )]
    Unable {
        key: &'static str,
        name: String,
        reason: String,
    },
    /// A user that cannot get at its files.
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
    /// Data of somebody else.
    #[error(
        "{}: belongs to user {owner}, not to {user} (process.registryuser); give it away with `lockgate start --chown`, or set process.registryuser: {owner}",
        .root.display()
    )]
    OthersData { root: PathBuf, owner: u32, user: String },
}

/// What is in the way of whom: a directory on the way, or the file itself.
pub(super) fn closed(user: &str, barrier: &Path, path: &Path) -> String {
    let closed = format!("{}: closed to user {user}", barrier.display());
    match barrier == path {
        true => closed,
        false => format!("{closed}, who needs {}", path.display()),
    }
}

/// The command that lets user `number` through, or read.
pub(super) fn opening(number: u32, barrier: &Path) -> String {
    let path = barrier.display();
    match barrier.is_dir() {
        true => format!("`chmod o+x {path}`"),
        false => format!("`chown {number} {path}`"),
    }
}
