//! Log levels.

use std::fmt;
use std::str::FromStr;

/// A log level; `Silent` lets nothing through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing at all (Mosi's SILENT).
    Silent,
    /// What failed and needs somebody.
    Error,
    /// Also what may become a failure.
    Warn,
    /// And what happens, one line a request.
    Info,
    /// Also why it happened.
    Debug,
    /// Also every step on the way.
    Trace,
}

/// A text that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected silent, error, warn, info, debug or trace")]
pub struct LevelError;

/// In any case, as distribution reads it.
impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        match text.to_ascii_lowercase().as_str() {
            "silent" => Ok(Self::Silent),
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err(LevelError),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "silent",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for level in [
            Level::Silent,
            Level::Error,
            Level::Warn,
            Level::Info,
            Level::Debug,
            Level::Trace,
        ] {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(level.to_string().to_uppercase().parse(), Ok(level));
        }
        assert_eq!("warning".parse::<Level>(), Err(LevelError));
        assert!(Level::Silent < Level::Error && Level::Info < Level::Debug);
    }
}
