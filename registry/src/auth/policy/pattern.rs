//! One pattern of an access rule: a glob, or a `/regular expression/`, either with `${variables}`.

use std::sync::{Mutex, PoisonError};

use lockgate_config::from_go_regex;
use regex::Regex;

use super::glob::Glob;
use crate::auth::generations::Generations;

/// Expressions with their variables filled in that are kept compiled.
const COMPILED: usize = 1024;

/// A pattern as docker_auth has it.
#[derive(Debug)]
pub(super) enum Pattern {
    Glob(Glob),
    Regex(Regex),
    /// Filled in for each request; `regex` says what it is then.
    Template {
        parts: Vec<Part>,
        regex: bool,
    },
}

/// A piece of a pattern with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// `${account}`, `${labels:group}`, `${name:1}`: what stands between the braces.
    Variable(String),
}

/// The expressions of templates, compiled; a request costs no compilation.
pub(super) struct Compiled(Mutex<Generations<String, Option<Regex>>>);

impl Pattern {
    /// Reads a pattern. A glob that is malformed matches nothing, as in Go; an expression that is malformed is an error.
    pub(super) fn parse(text: &str) -> Result<Self, regex::Error> {
        let regex = expression(text);
        let parts = parts(regex.as_deref().unwrap_or(text));
        if parts.iter().any(|part| matches!(part, Part::Variable(_))) {
            if regex.is_some() {
                // What the variables stand for is quoted, so any word shows whether the rest is well-formed.
                Regex::new(&fill(&parts, |_| Some("x".to_owned())))?;
            }
            return Ok(Self::Template {
                parts,
                regex: regex.is_some(),
            });
        }
        Ok(match regex {
            Some(expression) => Self::Regex(Regex::new(&expression)?),
            None => Self::Glob(Glob::parse(text)),
        })
    }

    /// Whether the pattern matches `text`, with `value` giving what a variable stands for (already quoted). A variable
    /// without a value stays as it is written.
    ///
    /// An expression matches anywhere in the text unless it holds `^` and `$`, as in docker_auth.
    pub(super) fn matches(&self, text: &str, compiled: &Compiled, value: impl Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(text),
            Self::Regex(regex) => regex.is_match(text),
            Self::Template { parts, regex: false } => Glob::parse(&fill(parts, value)).matches(text),
            Self::Template { parts, regex: true } => compiled.is_match(fill(parts, value), text),
        }
    }

    /// The variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let parts = if let Self::Template { parts, .. } = self {
            parts.as_slice()
        } else {
            &[]
        };
        parts.iter().filter_map(|part| {
            if let Part::Variable(name) = part {
                Some(name.as_str())
            } else {
                None
            }
        })
    }
}

/// The expression of a `/.../` pattern, written for `regex`; `//` is a glob.
pub(super) fn expression(pattern: &str) -> Option<String> {
    let expression = pattern.strip_prefix('/')?.strip_suffix('/')?;
    (!expression.is_empty()).then(|| from_go_regex(expression))
}

/// Quotes `text` so that it stands for itself, in an expression and in a glob alike: both take `\` before any sign.
pub(super) fn quoted(text: &str) -> String {
    regex::escape(text)
}

fn parts(mut pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some((before, name, after)) = next_variable(pattern) {
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Variable(name.to_owned()));
        pattern = after;
    }
    parts.push(Part::Text(pattern.to_owned()));
    parts
}

/// The first `${name}` or `${name:word}`, with what stands before and after it.
fn next_variable(pattern: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + pattern[from..].find("${")?;
        let end = start + pattern[start..].find('}')?;
        let name = &pattern[start + 2..end];
        let (field, argument) = name
            .split_once(':')
            .map_or((name, None), |(field, argument)| (field, Some(argument)));
        let known = match field {
            "account" | "type" | "name" | "service" => {
                argument.is_none_or(|index| !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()))
            }
            "labels" => argument.is_some(),
            _ => false,
        };
        if known {
            return Some((&pattern[..start], name, &pattern[end + 1..]));
        }
        from = start + 2;
    }
}

fn fill(parts: &[Part], value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Variable(name) => filled.push_str(&value(name).unwrap_or_else(|| quoted(&format!("${{{name}}}")))),
        }
    }
    filled
}

impl Compiled {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Generations::new(COMPILED)))
    }

    fn is_match(&self, expression: String, text: &str) -> bool {
        let mut compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let regex = match compiled.get(&expression) {
            Some(regex) => regex.clone(),
            None => {
                let regex = Regex::new(&expression).ok();
                compiled.insert(expression, regex.clone());
                regex
            }
        };
        drop(compiled);
        regex.is_some_and(|regex| regex.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str, account: &str) -> bool {
        let value = |name: &str| (name == "account").then(|| quoted(account));
        Pattern::parse(pattern)
            .expect(pattern)
            .matches(text, &Compiled::new(), value)
    }

    #[test]
    fn an_expression_matches_anywhere_unless_it_is_anchored() {
        assert!(matches("/z$/", "baz", "") && !matches("/^z/", "baz", "") && matches("/a/", "baz", ""));
        assert!(matches("//", "//", ""), "too short to be an expression");
    }

    #[test]
    fn what_a_variable_stands_for_is_no_pattern() {
        assert!(matches("${account}/*", "foo/x", "foo") && matches("/^${account}_.*$/", "foo_x", "foo"));
        for account in [".*", "*", "[a-z]*", "f?o", "f.o"] {
            assert!(!matches("${account}/*", "foo/x", account), "{account}");
            assert!(!matches("/^${account}_.*$/", "foo_x", account), "{account}");
        }
        assert!(matches("${account}/*", "john.smith/x", "john.smith") && matches("${account}", "a*b", "a*b"));
    }

    #[test]
    fn variables_are_found_and_others_are_text() {
        let names = |pattern| {
            Pattern::parse(pattern)
                .unwrap()
                .variables()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names("${labels:group}-${name:2}/${type}${service}"),
            ["labels:group", "name:2", "type", "service"]
        );
        assert_eq!(names("${accounts}/${labels}/${account:x}/$account/${account"), [""; 0]);
        assert_eq!(names("${x${account}"), ["account"]);
    }

    #[test]
    fn a_malformed_expression_is_an_error_with_variables_too() {
        assert!(Pattern::parse("/foo?*(/").is_err());
        assert!(Pattern::parse("/${account}(/").is_err());
        assert!(Pattern::parse("/${account}-.+/").is_ok());
    }
}
