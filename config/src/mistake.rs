//! What can be wrong with a configuration, in words a person can act on.

use std::path::PathBuf;

/// One mistake, or one warning: which key, what it holds, what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Dotted key path, e.g. `http.tls.certificate` or `auth.acl[2].actions`.
    pub key: String,
    /// The offending value as the user wrote it; `None` when the key is missing. Secrets are not shown.
    pub value: Option<String>,
    /// What is wrong and what would be right.
    pub expected: String,
    /// Where the value comes from when it is not the file: the name of the variable.
    pub variable: Option<String>,
}

/// Why no configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{path}:{line}:{column}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// 1-based; 0 when the parser did not say.
        line: usize,
        /// 1-based; 0 when the parser did not say.
        column: usize,
        /// What the parser said.
        message: String,
    },
    /// The file is YAML, but it holds mistakes: all of them.
    #[error("{path}: {} mistake(s)", .mistakes.len())]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// Every mistake, in the order of the file's keys.
        mistakes: Vec<Mistake>,
    },
}
