//! Why set-up failed.

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
    /// A directory.
    #[error("{}: cannot be made: {source}", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    /// What a home that has served should have.
    #[error(transparent)]
    Missing(#[from] MissingFile),
    /// The configuration that is there.
    #[error(transparent)]
    Configuration(#[from] LoadError),
    /// A file.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The address to listen on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The first account's name.
    #[error("LOCKGATE_USERNAME: {0}")]
    AccountName(#[from] InvalidAccountName),
    /// The first account's password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The same, from the environment or a supplied file.
    #[error("the first account's password: {0}")]
    Hash(#[from] HashError),
    /// The file of accounts.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// Whom the halves run as.
    #[error(transparent)]
    User(#[from] UserError),
    /// `--chown` by somebody who cannot.
    #[error("--chown: only root gives files away, and only when processes can run as other users")]
    Chown,
    /// The data.
    #[error(transparent)]
    DataDir(#[from] data_dir::DataDirError),
    /// Data that the proxy cannot read.
    #[error(
        "{}: the proxy runs as user {user} and cannot read it; `lockgate start --chown` gives the data to its users",
        .path.display()
    )]
    Unreadable { path: PathBuf, user: String },
    /// The files of the home.
    #[error(transparent)]
    Ownership(#[from] ownership::OwnershipError),
    /// The key of tokens.
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

/// Whether trying again with the same configuration is no use.
fn is_misplaced(source: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, PermissionDenied};
    matches!(source.kind(), IsADirectory | NotADirectory | PermissionDenied)
}
