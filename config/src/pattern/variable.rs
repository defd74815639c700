//! `${account}` and its like in the patterns of access rules: values of the request.

use std::sync::LazyLock;

use regex::Regex;

use super::error::PatternError;

/// A piece of a pattern with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// `${account}`, `${labels:group}`, `${name:1}`: what stands between the braces.
    Variable(String),
}

/// Whether every `${name}` in `pattern` stands for a value of the request.
pub(super) fn check(pattern: &str) -> Result<(), PatternError> {
    let mut names = WRITTEN.captures_iter(pattern).map(|captures| captures[1].to_owned());
    match names.find(|name| !exists(name)) {
        Some(name) => Err(PatternError::Variable(name)),
        None => Ok(()),
    }
}

/// `pattern` with a word for each variable, to see whether the rest of it is well-formed.
pub(super) fn with_words(pattern: &str) -> String {
    WRITTEN.replace_all(pattern, "x").into_owned()
}

/// Whether `${name}` stands for a value of the request.
pub(super) fn exists(name: &str) -> bool {
    let (field, argument) = match name.split_once(':') {
        Some((field, argument)) => (field, Some(argument)),
        None => (name, None),
    };
    match field {
        "account" | "type" | "name" | "service" => {
            argument.is_none_or(|index| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
        }
        "labels" => argument.is_some_and(|label| !label.is_empty() && !label.contains('\n')),
        _ => false,
    }
}

/// `pattern` in pieces, a variable each or what stands between them.
pub(super) fn parts(mut pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some((before, name, after)) = next(pattern) {
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Variable(name.to_owned()));
        pattern = after;
    }
    parts.push(Part::Text(pattern.to_owned()));
    parts
}

/// The pattern again, with `value` in place of each variable. One without a value stays as it is written.
pub(super) fn fill(parts: &[Part], value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Variable(name) => filled.push_str(&value(name).unwrap_or_else(|| quoted(&format!("${{{name}}}")))),
        }
    }
    filled
}

/// Quotes `text` so that it stands for itself, in an expression and in a glob alike: both take `\` before any sign.
pub fn quoted(text: &str) -> String {
    regex::escape(text)
}

/// The first variable, with what stands before and after it.
fn next(pattern: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + pattern[from..].find("${")?;
        let end = start + pattern[start..].find('}')?;
        let name = &pattern[start + 2..end];
        if exists(name) {
            return Some((&pattern[..start], name, &pattern[end + 1..]));
        }
        from = start + 2;
    }
}

static WRITTEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{([^}]*)\}").expect("a literal that compiles"));
