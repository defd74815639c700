//! Why an `auth` section cannot take effect.

use std::path::PathBuf;

use super::policy::InvalidRule;
use super::token::{KeyError, TrustedKeysError};
use crate::read_error::reason;

/// Why a configuration's `auth` cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum AuthConfigError {
    /// A file cannot be read.
    #[error("{key}: {path}: {reason}", path = path.display(), reason = reason(path, source))]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file that cannot be read.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// There are no accounts yet.
    #[error("auth.htpasswd.path: {path}: there is no such file; `lockgate user add NAME` makes it", path = .0.display())]
    NoAccounts(PathBuf),
    /// A rule of `auth.acl`.
    #[error(transparent)]
    Rule(#[from] InvalidRule),
    /// The key that tokens are signed with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The keys that tokens are verified with.
    #[error(transparent)]
    TrustedKeys(#[from] TrustedKeysError),
}
