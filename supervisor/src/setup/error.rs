//! Errors of set-up, and with which exit code they end the process.

use std::io;
use std::path::PathBuf;

use lockgate_config::LoadError;
use lockgate_files::WriteError;
use lockgate_registry::KeyError;
use lockgate_registry::accounts::{AccountsError, InvalidAccountName, PasswordError as HashError};

use super::missing::MissingFile;
use super::password::PasswordError;
use super::{data_dir, ownership};
use crate::certificates::own::CertificateError;
use crate::failure::Failure;
use crate::os::listen::SocketError;
use crate::sandbox::run_as::UserError;

/// Why set-up failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("{}: cannot be made: {source}", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Missing(#[from] MissingFile),
    #[error(transparent)]
    Configuration(#[from] LoadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("LOCKGATE_USERNAME: {0}")]
    AccountName(#[from] InvalidAccountName),
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The password comes from the environment or a supplied file.
    #[error("the first account's password: {0}")]
    Hash(#[from] HashError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    User(#[from] UserError),
    #[error("--chown: only root gives files away, and only when processes can run as other users")]
    Chown,
    #[error(transparent)]
    DataDir(#[from] data_dir::DataDirError),
    #[error(
        "{}: the proxy runs as user {user} and cannot read it; `lockgate start --chown` gives the data to its users",
        .path.display()
    )]
    Unreadable { path: PathBuf, user: String },
    #[error(transparent)]
    Ownership(#[from] ownership::OwnershipError),
    #[error(transparent)]
    TokenKey(#[from] KeyError),
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Configuration(error) => error.into(),
            SetupError::Certificate(CertificateError::HostName(_))
            | SetupError::Missing(_)
            | SetupError::User(_)
            | SetupError::Unreadable { .. }
            | SetupError::TokenKey(KeyError::Content { .. }) => Self::configuration(error),
            SetupError::TokenKey(KeyError::File { ref source, .. }) if is_misplaced(source) => {
                Self::configuration(error)
            }
            other => Self::new(other),
        }
    }
}

/// Whether another try with the same configuration would fail in the same way.
fn is_misplaced(source: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, PermissionDenied};
    matches!(source.kind(), IsADirectory | NotADirectory | PermissionDenied)
}
