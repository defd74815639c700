//! How policies name repositories.

use std::fmt;
use std::str::FromStr;

use regex::Regex;

use super::error::{PatternError, compile};
use super::glob::Glob;
use super::{go_regex, variable};

/// Repositories that a policy is about: a glob of Go's `path.Match`, except that `**` crosses `/`; or a `/regular
/// expression/` of Go. A policy is about no account, so `${account}` and its like stand for nothing.
#[derive(Debug, Clone)]
pub struct PolicyPattern {
    text: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Glob(Glob),
    Expression(Regex),
}

impl PolicyPattern {
    /// Whether `name` matches: the whole of it a glob, any part of it an expression.
    pub fn matches(&self, name: &str) -> bool {
        match &self.matcher {
            Matcher::Glob(glob) => glob.matches(name),
            Matcher::Expression(regex) => regex.is_match(name),
        }
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PolicyPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        variable::check(text)?;
        // As in rules: whatever a variable would stand for, the rest has to be well-formed.
        Matcher::compile(&variable::with_words(text))?;
        Ok(Self {
            text: text.to_owned(),
            matcher: Matcher::compile(text)?,
        })
    }
}

impl Matcher {
    fn compile(text: &str) -> Result<Self, PatternError> {
        Ok(match go_regex::expression(text) {
            Some(expression) => Self::Expression(compile(&expression)?),
            None => Self::Glob(Glob::of_policy(text)?),
        })
    }
}

/// Two patterns with one text are one pattern.
impl PartialEq for PolicyPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PolicyPattern {}

impl fmt::Display for PolicyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stars_cross_slashes_and_one_does_not() {
        for (pattern, name, expected) in [
            ("free/**", "free/a/b/c", true),
            ("free/**", "free", false),
            ("free/*", "free/a/b", false),
            ("/^x[0-9]+$/", "x12", true),
            ("/^x[0-9]+$/", "x12/y", false),
            ("${account}/*", "anna/x", false),
        ] {
            let policy: PolicyPattern = pattern.parse().unwrap();
            assert_eq!(policy.matches(name), expected, "{pattern} {name}");
        }
        for malformed in ["[", "/(/", "${acount}/*", "/^${account}$/"] {
            assert!(malformed.parse::<PolicyPattern>().is_err(), "{malformed}");
        }
    }
}
