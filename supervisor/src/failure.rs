//! Why a command failed: a message and an exit code. Each error that ends a command says which, where it is defined.

use std::fmt::{self, Display, Formatter};

use crate::exit_code;
use crate::logging;
use crate::os::listen::SocketError;
use crate::os::lock::LockError;

#[derive(Debug)]
pub(crate) struct Failure {
    /// Lines for stderr; none when the reason has been logged or printed already.
    messages: Vec<String>,
    code: u8,
}

impl Failure {
    pub(crate) fn new(message: impl Display) -> Self {
        Self {
            messages: vec![message.to_string()],
            code: exit_code::FAILED,
        }
    }

    /// Exit code 1 without a message: the reason is known already.
    pub(crate) fn silent() -> Self {
        Self {
            messages: Vec::new(),
            code: exit_code::FAILED,
        }
    }

    /// Exit code 3 without a message: it works, and what a person has to mend was printed.
    pub(crate) fn undone() -> Self {
        Self {
            messages: Vec::new(),
            code: exit_code::UNDONE,
        }
    }

    /// Exit code 2: the command line makes no sense.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self {
            messages: vec![message.to_string()],
            code: exit_code::USAGE,
        }
    }

    /// Exit code 78: it cannot work with this configuration.
    pub(crate) fn configuration(message: impl Display) -> Self {
        Self {
            messages: vec![message.to_string()],
            code: exit_code::CONFIGURATION,
        }
    }

    /// The same exit code, a message for each mistake.
    pub(crate) fn mistakes(messages: Vec<String>) -> Self {
        Self {
            messages,
            code: exit_code::CONFIGURATION,
        }
    }

    /// This exit code, for errors that know theirs.
    pub(crate) fn with_code(code: u8, message: impl Display) -> Self {
        Self {
            messages: vec![message.to_string()],
            code,
        }
    }

    /// The same with what was being done before the first message.
    pub(crate) fn during(mut self, what: &str) -> Self {
        if let Some(first) = self.messages.first_mut() {
            *first = format!("{what}: {first}");
        }
        self
    }

    /// The same exit code without the messages.
    pub(crate) fn unsaid(self) -> Self {
        Self {
            messages: Vec::new(),
            ..self
        }
    }

    /// Writes the messages to the log or to stderr; gives the exit code.
    pub(crate) fn report(&self) -> u8 {
        for message in self.messages.iter().flat_map(|message| message.lines()) {
            let line = format!("lockgate: {message}");
            if !logging::write_exit_reason(&line) {
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
