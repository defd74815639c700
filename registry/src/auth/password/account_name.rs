//! The names of accounts.

use std::fmt;
use std::str::FromStr;

/// An account's name: what a line of the file and an RFC 7617 user-id can both hold.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(Box<str>);

impl AccountName {
    /// Longest name, as `htpasswd` has it.
    pub const MAX_LENGTH: usize = 255;

    /// The name, never empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = InvalidAccountName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = text.chars().any(|c| c == ':' || c.is_control())
            || text.starts_with(['#', '\u{feff}'])
            || text.trim() != text;
        if text.is_empty() || bad || text.len() > Self::MAX_LENGTH {
            return Err(InvalidAccountName);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be an account's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an account's name has 1 to 255 bytes, no `:`, no control character, no space at its ends, and does not begin with `#`"
)]
pub struct InvalidAccountName;
