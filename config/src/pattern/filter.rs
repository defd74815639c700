//! How commands choose repositories and tags.

use std::fmt;
use std::str::FromStr;

use super::error::PatternError;
use super::glob::Glob;

/// What a command is to be about: `*` stands for any characters, `/` included, and everything else for itself, as in
/// Mosi. So `team*` is `team`, `team1` and `team/app/web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPattern {
    text: String,
    glob: Glob,
}

impl FilterPattern {
    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        self.glob.matches(name)
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for FilterPattern {
    type Err = PatternError;

    /// Refuses the signs of the other patterns: nobody who writes `[a-z]*` means a name with brackets.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.contains(['?', '[', ']', '\\']) || text.starts_with('/') {
            return Err(PatternError::Filter);
        }
        Ok(Self {
            text: text.to_owned(),
            glob: Glob::of_filter(text),
        })
    }
}

impl fmt::Display for FilterPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_cross_slashes_and_match_nothing_too() {
        // Mosi's own cases, and those with a slash.
        for (name, pattern, expected) in [
            ("abc", "", false),
            ("abc", "*", true),
            ("*", "*", true),
            ("", "*", true),
            ("", "", true),
            ("abc", "a*", true),
            ("abc", "*b*", true),
            ("abc", "b*", false),
            ("abc", "*b", false),
            ("a/b/c", "*", true),
            ("a/b/c", "a*c", true),
            ("a/b/c", "a**c", true),
            ("image:1.2", "image:1.*", true),
            ("image:2.1", "image:1.*", false),
        ] {
            let filter: FilterPattern = pattern.parse().unwrap();
            assert_eq!(filter.matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn signs_of_other_patterns_are_refused() {
        for text in ["a?", "[a-z]*", "a\\*", "/^a/", "/"] {
            assert_eq!(text.parse::<FilterPattern>(), Err(PatternError::Filter), "{text}");
        }
    }
}
