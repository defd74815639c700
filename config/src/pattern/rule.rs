//! How access rules name accounts, repositories and the rest of a request.

use std::fmt;
use std::str::FromStr;

use regex::Regex;

use super::error::{PatternError, compile};
use super::expressions::Expressions;
use super::glob::Glob;
use super::go_regex;
use super::variable::{self, Part};

/// A pattern of `auth.acl` as docker_auth has it: a glob of Go's `path.Match`, where `**` is `*`, or a `/regular
/// expression/` of Go; in either, `${account}`, `${type}`, `${name}`, `${service}`, captures such as `${name:1}` and
/// `${labels:KEY}` stand for values of the request.
#[derive(Debug, Clone)]
pub struct RulePattern {
    text: String,
    matcher: Matcher,
    expression: Option<Regex>,
}

#[derive(Debug, Clone)]
enum Matcher {
    Glob(Glob),
    Expression(Regex),
    /// Filled in for each request.
    Template {
        parts: Vec<Part>,
        is_expression: bool,
    },
}

impl RulePattern {
    /// Whether `text` is a `/regular expression/`; `//` is a glob.
    pub fn is_expression(text: &str) -> bool {
        text.len() > 2 && text.starts_with('/') && text.ends_with('/')
    }

    /// Whether the pattern matches `text`, with `value` giving what a variable stands for (already [`quoted`]). A
    /// variable without a value stays as it is written.
    ///
    /// An expression matches anywhere in the text unless it holds `^` and `$`, as in docker_auth.
    ///
    /// [`quoted`]: super::quoted
    pub fn matches(&self, text: &str, expressions: &Expressions, value: impl Fn(&str) -> Option<String>) -> bool {
        match &self.matcher {
            Matcher::Glob(glob) => glob.matches(text),
            Matcher::Expression(regex) => regex.is_match(text),
            // What is malformed once it is filled in, such as a class with nothing in it, matches nothing, as in Go.
            Matcher::Template {
                parts,
                is_expression: false,
            } => Glob::of_rule(&variable::fill(parts, value)).is_ok_and(|glob| glob.matches(text)),
            Matcher::Template {
                parts,
                is_expression: true,
            } => expressions.is_match(variable::fill(parts, value), text),
        }
    }

    /// The variables that stand in the pattern, such as `account` and `labels:group`.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let parts = match &self.matcher {
            Matcher::Template { parts, .. } => parts.as_slice(),
            _ => &[],
        };
        parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The expression whose groups `${account:1}` and its like stand for.
    pub fn expression(&self) -> Option<&Regex> {
        self.expression.as_ref()
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads a pattern without looking for variables that do not exist: those are text.
    fn compile(text: &str) -> Result<Self, PatternError> {
        let expression = go_regex::expression(text);
        let parts = variable::parts(expression.as_deref().unwrap_or(text));
        let matcher = if parts.iter().any(|part| matches!(part, Part::Variable(_))) {
            if expression.is_some() {
                // What the variables stand for is quoted, so any word shows whether the rest is well-formed.
                compile(&variable::fill(&parts, |_| Some("x".to_owned())))?;
            }
            Matcher::Template {
                parts,
                is_expression: expression.is_some(),
            }
        } else {
            match &expression {
                Some(expression) => Matcher::Expression(compile(expression)?),
                None => Matcher::Glob(Glob::of_rule(text)?),
            }
        };
        Ok(Self {
            text: text.to_owned(),
            matcher,
            expression: expression.and_then(|expression| Regex::new(&expression).ok()),
        })
    }
}

impl FromStr for RulePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        variable::check(text)?;
        // Also with a word for each variable: whatever it stands for, the rest has to be well-formed.
        Self::compile(&variable::with_words(text))?;
        Self::compile(text)
    }
}

/// Two patterns with one text are one pattern.
impl PartialEq for RulePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RulePattern {}

impl fmt::Display for RulePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::quoted;

    fn matches(pattern: &str, text: &str, account: &str) -> bool {
        let value = |name: &str| (name == "account").then(|| quoted(account));
        let pattern: RulePattern = pattern.parse().expect(pattern);
        pattern.matches(text, &Expressions::default(), value)
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
            RulePattern::compile(pattern)
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
        assert!("/foo?*(/".parse::<RulePattern>().is_err());
        assert!("/${account}(/".parse::<RulePattern>().is_err());
        assert!("/${account}-.+/".parse::<RulePattern>().is_ok());
    }

    #[test]
    fn globs_and_expressions() {
        for good in [
            "*",
            "${account}/*",
            "/^team-[a-z]+$/",
            "/^${name:1}/",
            "${labels:group}/*",
            "",
            "/",
        ] {
            assert_eq!(good.parse::<RulePattern>().map(drop), Ok(()), "{good}");
        }
        for (bad, word) in [
            ("[", "glob"),
            ("/(/", "regular expression"),
            ("${acount}/*", "acount"),
            ("/[z-a]/", "regular"),
        ] {
            let message = bad.parse::<RulePattern>().unwrap_err().to_string();
            assert!(
                message.contains(word) && message.starts_with("expected") && !message.contains('\n'),
                "{message}"
            );
        }
    }
}
