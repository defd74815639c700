//! Tags, OCI distribution specification, "Pulling manifests".

use std::fmt;
use std::str::FromStr;

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// How many characters a tag may have.
    pub const MAX_LENGTH: usize = 128;

    /// The tag, never empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        match text.as_bytes() {
            [first, rest @ ..]
                if text.len() <= Self::MAX_LENGTH
                    && word(*first)
                    && rest.iter().all(|b| word(*b) || matches!(b, b'.' | b'-')) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidTag),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tag has 1 to 128 letters, digits, `_`, `.` or `-`, and begins with none of the last two")]
pub struct InvalidTag;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_grammar() {
        for text in [
            "a",
            "_",
            "0",
            "latest",
            "1.2.3-rc.1",
            "A_b-C.",
            "sha256-abc.sig",
            &"a".repeat(128),
        ] {
            assert!(text.parse::<Tag>().is_ok(), "{text}");
        }
        for text in [
            "",
            ".",
            "..",
            ".a",
            "-a",
            "a/b",
            "a:b",
            "a b",
            "a+b",
            "ä",
            "a\0",
            "a\n",
            &"a".repeat(129),
        ] {
            assert_eq!(text.parse::<Tag>(), Err(InvalidTag), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_grammar_and_nothing_else(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            prop_assert_eq!(text.parse::<Tag>().map(|tag| tag.to_string()), Ok(text));
        }

        #[test]
        fn a_tag_is_one_component_of_a_path(text in "[./a-zA-Z0-9_\\\\ \0-]{0,10}") {
            if let Ok(tag) = text.parse::<Tag>() {
                prop_assert!(!tag.as_str().starts_with('.') && !tag.as_str().contains(['/', '\\', '\0']));
            }
        }
    }
}
