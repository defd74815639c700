//! Why a text is no pattern.

use regex::Regex;

/// Why a text is no pattern; as text, what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// `${name}` that stands for nothing.
    #[error(
        "expected a variable that exists instead of ${{{0}}}: account, type, name, service, labels:KEY, or a capture such as name:1"
    )]
    Variable(String),
    /// A glob that Go's `path.Match` refuses.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// The parser refuses the expression, for this reason.
    #[error("expected a regular expression: {0}")]
    Expression(String),
    /// A filter with signs that only rules and policies know.
    #[error(
        "expected a name in which * stands for any characters, / included; a filter knows no ?, no [a-z], no \\ and no /regex/"
    )]
    Filter,
}

/// Why a glob is malformed: what Go's `path.ErrBadPattern` stands for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// A `\` stands at the end, as in `a\`.
    #[error("expected a glob: a `\\` ends it, and escapes nothing")]
    TrailingBackslash,
    /// A class is not closed, as in `[a`.
    #[error("expected a glob: `[` opens a class that is not closed by `]`; escape it as `\\[`")]
    OpenClass,
    /// A class is empty or ends with a range that is half there, as in `[]` or `[a-]`.
    #[error("expected a glob: a class such as [a-z] holds characters and ranges, with `-` and `]` escaped by `\\`")]
    BadClass,
}

/// Compiles an expression in Rust's syntax; the reason is one line.
pub(crate) fn compile(expression: &str) -> Result<Regex, PatternError> {
    Regex::new(expression).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        PatternError::Expression(reason.strip_prefix("error: ").unwrap_or(reason).to_owned())
    })
}
