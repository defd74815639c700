//! Whether a text is a pattern of Go's `path.Match`.

/// Why a pattern is malformed: what `path.ErrBadPattern` stands for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GlobError {
    #[error("expected a glob: a `\\` ends it, and escapes nothing")]
    TrailingBackslash,
    #[error("expected a glob: `[` opens a class that is not closed by `]`; escape it as `\\[`")]
    OpenClass,
    #[error("expected a glob: a class such as [a-z] holds characters and ranges, with `-` and `]` escaped by `\\`")]
    BadClass,
}

/// Checks `pattern` as `path.Match` would: `*` and `?` stop at `/`, `[a-z]`, `[^a-z]`, `\` escapes.
pub(crate) fn check(pattern: &str) -> Result<(), GlobError> {
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => drop(rest.next().ok_or(GlobError::TrailingBackslash)?),
            '[' => class(&mut rest)?,
            _ => {}
        }
    }
    Ok(())
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows `[`, through `]`: at least one range.
fn class(rest: &mut Rest<'_>) -> Result<(), GlobError> {
    rest.next_if_eq(&'^');
    let mut ranges = 0;
    while !(ranges > 0 && rest.next_if_eq(&']').is_some()) {
        end_of_range(rest)?;
        if rest.next_if_eq(&'-').is_some() {
            end_of_range(rest)?;
        }
        ranges += 1;
    }
    Ok(())
}

/// One end of a range; something has to follow it.
fn end_of_range(rest: &mut Rest<'_>) -> Result<(), GlobError> {
    match rest.next() {
        None => return Err(GlobError::OpenClass),
        Some('-' | ']') => return Err(GlobError::BadClass),
        Some('\\') => drop(rest.next().ok_or(GlobError::OpenClass)?),
        Some(_) => {}
    }
    rest.peek().map(drop).ok_or(GlobError::OpenClass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_go_accepts() {
        for pattern in [
            "", "*", "my*", "team/*", "a?c", "[a-z]*", "[^x]", "\\*", "[\\-x]", "[x\\-]", "a]b", "[a-]b-c]",
        ] {
            let expected = if pattern == "[a-]b-c]" {
                Err(GlobError::BadClass)
            } else {
                Ok(())
            };
            assert_eq!(check(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        // From the rows of Go's `match_test.go` that end in ErrBadPattern.
        for pattern in [
            "[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "[a-b-c]", "[a-b-d", "[]-a]", "\\", "[a\\",
        ] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }
}
