//! What a manifest is asked for by, OCI distribution specification, "Pulling manifests".

use std::fmt;
use std::str::FromStr;

use super::{Digest, InvalidDigest, InvalidTag, Tag};

/// `<tag-or-digest>`. A tag has no colon and a digest has one, so a text is never both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// The manifest that a tag points to.
    Tag(Tag),
    /// The manifest that has this digest.
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            Ok(Self::Digest(text.parse()?))
        } else {
            Ok(Self::Tag(text.parse()?))
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

/// Why a text is neither tag nor digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Without a colon, so meant as a tag.
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    /// With a colon, so meant as a digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;

    #[test]
    fn a_colon_tells_a_digest_from_a_tag() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
        assert_eq!("latest".parse(), Ok(Reference::Tag("latest".parse().unwrap())));
        // A tag may look like the fallback name of a digest.
        assert!(matches!(
            format!("sha256-{}", "a".repeat(64)).parse(),
            Ok(Reference::Tag(_))
        ));
    }

    #[test]
    fn what_is_wrong_is_said_of_what_was_meant() {
        assert!(matches!(
            "sha256:baddigeststring".parse::<Reference>(),
            Err(InvalidReference::Digest(_))
        ));
        for text in ["", ".", "..", "-a", "a/b", "a b", "ä", &"a".repeat(129)] {
            assert!(
                matches!(text.parse::<Reference>(), Err(InvalidReference::Tag(_))),
                "{text:?}"
            );
        }
    }
}
