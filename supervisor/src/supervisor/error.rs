//! Why a supervisor ends when nobody asked for it.

use std::io;

use crate::exit_code;
use crate::failure::Failure;
use crate::os::listen::SocketError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SuperviseError {
    /// A child will not run with this configuration.
    #[error("{reason}")]
    Refused { reason: String },
    /// A child ends again and again.
    #[error(
        "gave up: the {process} process ended {times} times in {seconds:.1} s without becoming ready; last reason: {reason}"
    )]
    Hopeless {
        process: &'static str,
        times: u32,
        seconds: f64,
        reason: String,
    },
    /// A socket of the supervisor's own.
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("cannot {what}: {source}")]
    System { what: &'static str, source: io::Error },
}

impl SuperviseError {
    /// The exit code of `lockgate start`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } => exit_code::CONFIGURATION,
            _ => exit_code::FAILED,
        }
    }
}

impl From<SuperviseError> for Failure {
    fn from(error: SuperviseError) -> Self {
        Self::with_code(error.exit_code(), error)
    }
}

/// Names what could not be done, for `map_err`.
pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> SuperviseError {
    move |source| SuperviseError::System { what, source }
}
