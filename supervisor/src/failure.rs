//! The one map from what went wrong to a message and an exit code.

use std::fmt::{self, Display, Formatter};
use std::io;

use lockgate_config::LoadError;
use lockgate_registry::auth::KeyError;

use crate::certificates::copies::HandError;
use crate::certificates::own::CertificateError;
use crate::child::ServeError;
use crate::configuration::listeners::EntranceError;
use crate::configuration::source::explain;
use crate::logging;
use crate::os::listen::SocketError;
use crate::os::lock::LockError;
use crate::setup::SetupError;
use crate::supervisor::SuperviseError;
use crate::supervisor::restart_policy::EX_CONFIG;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Lines for a person; empty when everything has been said.
    messages: Vec<String>,
    code: u8,
}

impl Failure {
    /// Exit code 1.
    pub(crate) fn new(message: impl Display) -> Self {
        Self {
            messages: vec![message.to_string()],
            code: 1,
        }
    }

    /// Exit code 1, nothing more to say.
    pub(crate) fn silent() -> Self {
        Self {
            messages: Vec::new(),
            code: 1,
        }
    }

    /// Exit code 3, nothing more to say: it works, and a person has something to mend.
    pub(crate) fn undone() -> Self {
        Self {
            messages: Vec::new(),
            code: crate::cli::UNDONE,
        }
    }

    /// Exit code 2: the command line makes no sense.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self {
            messages: vec![message.to_string()],
            code: crate::cli::USAGE,
        }
    }

    /// Exit code 78: the configuration does not.
    pub(crate) fn configuration(message: impl Display) -> Self {
        Self {
            messages: vec![message.to_string()],
            code: u8::try_from(EX_CONFIG).unwrap_or(1),
        }
    }

    /// The same, saying at what.
    pub(crate) fn during(mut self, what: &str) -> Self {
        if let Some(first) = self.messages.first_mut() {
            *first = format!("{what}: {first}");
        }
        self
    }

    /// The same exit code without a word.
    pub(crate) fn unsaid(self) -> Self {
        Self {
            messages: Vec::new(),
            ..self
        }
    }

    /// Says it on stderr; gives the exit code.
    pub(crate) fn report(&self) -> u8 {
        for message in self.messages.iter().flat_map(|message| message.lines()) {
            let line = format!("lockgate: {message}");
            if !logging::say(&line) {
                eprintln!("{line}");
            }
        }
        self.code
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages.join("; "))
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self {
            messages: explain(&error),
            ..Self::configuration("")
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Configuration(error) => error.into(),
            SetupError::Certificate(CertificateError::HostName(_))
            | SetupError::Absent(_)
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

impl From<HandError> for Failure {
    fn from(error: HandError) -> Self {
        match error {
            HandError::Unreadable { .. } | HandError::Unusable { .. } => Self::configuration(error),
            HandError::Write(_) => Self::new(error),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        Self::new(error)
    }
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        Self::new(error)
    }
}

impl From<EntranceError> for Failure {
    fn from(error: EntranceError) -> Self {
        match error {
            EntranceError::Unix { .. } => Self::configuration(error),
            other => Self::new(other),
        }
    }
}

impl From<SuperviseError> for Failure {
    fn from(error: SuperviseError) -> Self {
        Self {
            code: error.exit_code(),
            ..Self::new(error)
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self {
            code: error.exit_code(),
            ..Self::new(error)
        }
    }
}
