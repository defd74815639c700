//! Repository names, OCI distribution specification, "Pulling manifests".

use std::fmt;
use std::str::FromStr;

/// Path components of `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` joined by `/`, 255 characters at most.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

impl RepositoryName {
    /// Longest name accepted, as in CNCF distribution.
    pub const MAX_LENGTH: usize = 255;

    /// The name, its components separated by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidRepositoryName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_LENGTH {
            return Err(InvalidRepositoryName::TooLong(text.len()));
        }
        if text.split('/').all(is_component) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidRepositoryName::Characters)
        }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    alphanumeric(first)
        && alphanumeric(last)
        && bytes
            .split(alphanumeric)
            .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no repository name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRepositoryName {
    /// Longer than 255 characters.
    #[error("a repository name has at most 255 characters, this one has {0}")]
    TooLong(usize),
    /// Something that the grammar does not allow.
    #[error(
        "a repository name is made of lower-case letters and digits, separated by one `.`, one or two `_` or any number of `-`, in components joined by `/`"
    )]
    Characters,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // proves: MOSI-12
    #[test]
    fn the_grammar() {
        for text in [
            "a",
            "0",
            "a/b/c",
            "a.b",
            "a_b",
            "a__b",
            "a-b",
            "a---b",
            "library/ubuntu",
            "a.b/c__d-e",
            "docker.com/x",
        ] {
            assert_eq!(
                text.parse::<RepositoryName>().map(|name| name.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a..b",
            "a___b",
            "a._b",
            "a-.b",
            ".a",
            "a.",
            "-a",
            "a-",
            "_a",
            "a_",
            "a/../b",
            "a/./b",
            "a b",
            "a:b",
            "a%b",
            "ä",
            "a\0b",
            "a\\b",
            "_uploads",
            "a/_manifests/b",
        ] {
            assert_eq!(
                text.parse::<RepositoryName>(),
                Err(InvalidRepositoryName::Characters),
                "{text:?}"
            );
        }
    }

    #[test]
    fn length_is_bounded() {
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
        assert_eq!(
            "a".repeat(256).parse::<RepositoryName>(),
            Err(InvalidRepositoryName::TooLong(256))
        );
    }

    proptest! {
        #[test]
        fn what_the_specification_allows(
            text in "[a-z0-9]{1,5}((\\.|_|__|-{1,4})[a-z0-9]{1,5}){0,3}(/[a-z0-9]{1,5}((\\.|_|__|-{1,4})[a-z0-9]{1,5}){0,3}){0,4}"
        ) {
            prop_assert_eq!(text.parse::<RepositoryName>().map(|name| name.to_string()), Ok(text));
        }

        // The storage layout puts names into paths, and marks its own directories with `_`.
        #[test]
        fn a_name_stays_below_the_root_and_off_the_layout(text in "[a-b./_-]{0,12}") {
            if let Ok(name) = text.parse::<RepositoryName>() {
                for component in name.as_str().split('/') {
                    prop_assert!(!component.is_empty() && !component.starts_with(['.', '_', '-']));
                }
            }
        }
    }
}
