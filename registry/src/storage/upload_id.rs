//! The name of an upload session.

use std::fmt;
use std::str::FromStr;

/// A UUID, lower case with hyphens, as CNCF distribution names its uploads.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Box<str>);

impl UploadId {
    /// A new random one (UUID version 4).
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }

    /// The UUID, lower case with hyphens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match uuid::Uuid::try_parse(text) {
            Ok(id) if id.as_hyphenated().to_string() == text => Ok(Self(text.into())),
            _ => Err(InvalidUploadId),
        }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no upload id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an upload id is a UUID in lower case")]
pub struct InvalidUploadId;
