//! What can be wrong with a configuration, in words a person can act on.

use std::fmt;
use std::path::PathBuf;

/// One mistake, or one warning: which key, what it holds, what is expected.
///
/// Displays as `http.addr = "foo": expected host:port, :port or unix:PATH (from REGISTRY_HTTP_ADDR)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Dotted key path, e.g. `http.tls.certificate` or `auth.acl[2].actions`; a variable's name when no key fits it.
    pub key: String,
    /// The offending value as the user wrote it; `None` when the key is missing. Secrets are not shown.
    pub value: Option<String>,
    /// What is wrong and what would be right.
    pub expected: String,
    /// Where the value comes from when it is not the file: the name of the variable.
    pub variable: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value:?}")?;
        }
        write!(f, ": {}", self.expected)?;
        match &self.variable {
            Some(variable) if *variable != self.key => write!(f, " (from {variable})"),
            _ => Ok(()),
        }
    }
}

/// Why no configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The configuration file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{path}:{line}:{column}: {message}")]
    Syntax {
        /// The configuration file.
        path: PathBuf,
        /// 1-based; 0 when the parser did not say.
        line: usize,
        /// 1-based; 0 when the parser did not say.
        column: usize,
        /// What is wrong, in words for people.
        message: String,
    },
    /// The file is YAML, but it holds mistakes: all of them.
    #[error("{path}: {} mistake(s)", .mistakes.len())]
    Mistakes {
        /// The configuration file.
        path: PathBuf,
        /// Every mistake, in the order of the file's keys.
        mistakes: Vec<Diagnostic>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_reads_as_a_sentence() {
        let mut mistake = Diagnostic {
            key: "http.addr".into(),
            value: Some("foo".into()),
            expected: "expected host:port".into(),
            variable: Some("REGISTRY_HTTP_ADDR".into()),
        };
        assert_eq!(
            mistake.to_string(),
            "http.addr = \"foo\": expected host:port (from REGISTRY_HTTP_ADDR)"
        );
        mistake.value = None;
        mistake.variable = None;
        assert_eq!(mistake.to_string(), "http.addr: expected host:port");
        mistake.key = "REGISTRY_PORT".into();
        mistake.variable = Some("REGISTRY_PORT".into());
        assert_eq!(mistake.to_string(), "REGISTRY_PORT: expected host:port");
    }
}
