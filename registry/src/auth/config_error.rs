//! Configurations that cannot be put in force.

use std::io;
use std::path::{Path, PathBuf};

use super::policy::InvalidRule;
use super::token::{KeyError, TrustedKeysError};

/// Why a configuration's `auth` cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum AuthConfigError {
    /// A file cannot be read.
    #[error("{key}: {path}: {reason}", path = path.display(), reason = why(path, source))]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There are no accounts yet.
    #[error("auth.htpasswd.path: {path}: there is no such file; `lockgate user add NAME` makes it", path = .0.display())]
    NoAccounts(PathBuf),
    /// A rule.
    #[error(transparent)]
    Rule(#[from] InvalidRule),
    /// The key that tokens are signed with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The keys that tokens are verified with.
    #[error(transparent)]
    TrustedKeys(#[from] TrustedKeysError),
}

/// What the system said. Who may not read a file is told what would let them: root's own files are closed to the user
/// that root starts the registry as.
pub(super) fn why(path: &Path, source: &io::Error) -> String {
    if source.kind() != io::ErrorKind::PermissionDenied {
        return source.to_string();
    }
    let (user, path) = (rustix::process::geteuid().as_raw(), path.display());
    format!("{source}; the registry runs as user {user}: `chown {user} {path}` lets it read the file")
}
