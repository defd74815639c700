//! Regular expressions of Go, which docker_auth's rules are written in, for Rust's `regex`.
//!
//! Both descend from RE2. They differ where a rule would match more or less than its author saw it match: `\w`, `\d`,
//! `\s` and `\b` are ASCII in Go, a `{` that begins no repetition stands for itself, `\Q...\E` quotes, and within
//! `[...]` the signs `[`, `&&`, `--` and `~~` mean nothing.

use std::str::Chars;

use super::variable::exists;

type Rest<'a> = Chars<'a>;

/// The expression of a `/.../` pattern, written for `regex`; `//` is a glob.
pub(super) fn expression(pattern: &str) -> Option<String> {
    let expression = pattern.strip_prefix('/')?.strip_suffix('/')?;
    (!expression.is_empty()).then(|| from_go_regex(expression))
}

/// `expression` written so that `regex` matches what Go's `regexp` does. What Go refuses may come out as it is.
///
/// The variables of access rules, `${account}` and their like, stay as they are.
pub(super) fn from_go_regex(expression: &str) -> String {
    let mut written = String::with_capacity(expression.len());
    let mut rest = expression.chars();
    while let Some(c) = rest.next() {
        match c {
            '[' => class(&mut rest, &mut written),
            '$' => match variable(&mut rest) {
                Some(variable) => written.push_str(&variable),
                None => written.push('$'),
            },
            '{' if !is_repetition(rest.clone()) => literal('{', &mut written),
            '\\' => match rest.next() {
                Some('Q') => quoted(&mut rest, &mut written),
                Some(c @ ('b' | 'B')) => written.push_str(&format!("(?-u:\\{c})")),
                Some(c) => match perl_class(c) {
                    Some((not, signs)) => written.push_str(&format!("[{not}{signs}]")),
                    None => escaped(c, &mut rest, &mut written),
                },
                None => written.push('\\'),
            },
            c => written.push(c),
        }
    }
    written
}

/// What follows `[`, through its `]`.
fn class(rest: &mut Rest<'_>, written: &mut String) {
    written.push('[');
    written.extend(next_if(rest, '^'));
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !first => return written.push(']'),
            '[' if posix_class(rest, written) => {}
            '\\' if group(rest, written) => {}
            c => {
                class_character(c, rest, written);
                range(rest, written);
            }
        }
        first = false;
    }
}

/// The `-z` of `a-z`: a `-` stands for itself at the end of a class, and after what is no single character.
fn range(rest: &mut Rest<'_>, written: &mut String) {
    let mut ahead = rest.clone();
    if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
        written.extend(rest.next());
        if let Some(c) = rest.next() {
            class_character(c, rest, written);
        }
    }
}

fn class_character(c: char, rest: &mut Rest<'_>, written: &mut String) {
    match c {
        '\\' => match rest.next() {
            Some(c) => escaped(c, rest, written),
            None => written.push('\\'),
        },
        '$' => match variable(rest) {
            Some(variable) => written.push_str(&variable),
            None => literal('$', written),
        },
        c => literal(c, written),
    }
}

/// `[:alpha:]` within a class.
fn posix_class(rest: &mut Rest<'_>, written: &mut String) -> bool {
    let Some(text) = rest.as_str().strip_prefix(':') else {
        return false;
    };
    let end = text
        .find(|c: char| !c.is_ascii_lowercase() && c != '^')
        .unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let Some(after) = after
        .strip_prefix(":]")
        .filter(|_| !name.trim_start_matches('^').contains('^'))
    else {
        return false;
    };
    written.push_str(&format!("[:{name}:]"));
    *rest = after.chars();
    true
}

/// `\d`, `\pL` and their like within a class, after the `\`.
fn group(rest: &mut Rest<'_>, written: &mut String) -> bool {
    let Some(c) = rest.clone().next() else { return false };
    if let Some((not, signs)) = perl_class(c) {
        rest.next();
        let group = match not {
            "" => signs.to_owned(),
            not => format!("[{not}{signs}]"),
        };
        written.push_str(&group);
        return true;
    }
    if !matches!(c, 'p' | 'P') {
        return false;
    }
    rest.next();
    let braced = rest.as_str().starts_with('{');
    escaped(c, rest, written);
    if !braced {
        written.extend(rest.next());
    }
    true
}

/// What `\d`, `\S` and their like stand for: `^` for the others, and the signs.
fn perl_class(c: char) -> Option<(&'static str, &'static str)> {
    let signs = match c.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\x0C\\r ",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some((if c.is_ascii_uppercase() { "^" } else { "" }, signs))
}

/// `c` after a `\`. `\<` is the beginning of a word in Rust; `\p{Greek}` and `\x{10FFFF}` keep their braces.
fn escaped(c: char, rest: &mut Rest<'_>, written: &mut String) {
    if c.is_ascii_punctuation() {
        return literal(c, written);
    }
    written.extend(['\\', c]);
    if matches!(c, 'p' | 'P' | 'x') && rest.as_str().starts_with('{') {
        for c in rest.by_ref() {
            written.push(c);
            if c == '}' {
                return;
            }
        }
    }
}

/// Text through `\E`, or to the end.
fn quoted(rest: &mut Rest<'_>, written: &mut String) {
    while let Some(c) = rest.next() {
        if c == '\\' && next_if(rest, 'E').is_some() {
            return;
        }
        literal(c, written);
    }
}

/// Takes `c` when it comes next.
fn next_if(rest: &mut Rest<'_>, c: char) -> Option<char> {
    *rest = rest.as_str().strip_prefix(c)?.chars();
    Some(c)
}

fn literal(c: char, written: &mut String) {
    if "\\.+*?()|[]{}^$#&-~".contains(c) {
        written.push('\\');
    }
    written.push(c);
}

/// After a `$`: the variable that it begins, if it does.
fn variable(rest: &mut Rest<'_>) -> Option<String> {
    let (name, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
    if !exists(name) {
        return None;
    }
    *rest = after.chars();
    Some(format!("${{{name}}}"))
}

/// What follows a `{`: `2}`, `2,}` or `2,3}`.
fn is_repetition(rest: Rest<'_>) -> bool {
    let rest: String = rest.take_while(|c| matches!(c, '0'..='9' | ',' | '}')).collect();
    let Some((inside, _)) = rest.split_once('}') else {
        return false;
    };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    !least.is_empty() && !most.contains(',')
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    /// Go's own answers, of `regexp.MatchString` in Go 1.26.
    #[test]
    fn expressions_match_as_in_go() {
        for (expression, text, expected) in [
            (r"^\w+$", "anna_1", true),
            (r"^\w+$", "änna", false),
            (r"^\W$", "ä", true),
            (r"^\d$", "٣", false),
            (r"^\s$", "\u{a0}", false),
            (r"^\s$", "\u{b}", false),
            (r"^[\w-z]+$", "a-b", true),
            (r"^[\w-z]+$", "`", false),
            (r"^[^\W]+$", "ä", false),
            (r"^[\d&&]+$", "1&", true),
            (r"^[a&&b]+$", "&a", true),
            (r"^[[a]$", "[", true),
            (r"^[[a]]$", "a]", true),
            (r"^[a~~b]$", "~", true),
            (r"^[+--]$", ",", true),
            (r"^[a-]$", "-", true),
            (r"^[]a]$", "]", true),
            (r"^[^]a]$", "b", true),
            (r"^[[:alpha:]_]+$", "a_", true),
            (r"^[[:^alpha:]]$", "1", true),
            (r"^[\p{Greek}\pN]+$", "α1", true),
            (r"^[\x41-\x{43}]$", "B", true),
            (r"^[\]\-\\]+$", "]-\\", true),
            (r"^brace{$", "brace{", true),
            (r"^{x}$", "{x}", true),
            (r"^a{2}b{1,}c{1,2}$", "aabc", true),
            (r"^a{,2}$", "a{,2}", true),
            (r"^\Qa.b*\E$", "a.b*", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^\Qa", "ab", true),
            (r"\bedge\b", "an edge", true),
            (r"\bedge\b", "äedge", true),
            (r"^\<a\>$", "<a>", true),
            (r"^\p{Greek}$", "α", true),
            (r"^(?i)upper$", "UPPER", true),
            (r"^(?P<a>x|y)(?:z)$", "yz", true),
            (r"^a.c$", "a\nc", false),
            (r"^team\/[0-9]+$", "team/1", true),
            (r"a#b c", "a#b c", true),
        ] {
            let written = from_go_regex(expression);
            let regex = Regex::new(&written).unwrap_or_else(|error| panic!("{expression} -> {written}: {error}"));
            assert_eq!(regex.is_match(text), expected, "{expression} -> {written} on {text:?}");
        }
    }

    #[test]
    fn long_expressions_take_no_time() {
        for sign in ["$", "${", "[[", "[[:", "{1", "\\", "[$", "${}"] {
            let long = sign.repeat(100_000);
            let start = std::time::Instant::now();
            assert!(from_go_regex(&long).len() >= long.len());
            assert!(start.elapsed() < std::time::Duration::from_secs(10), "{sign}");
        }
    }

    #[test]
    fn variables_stay_and_what_looks_like_one_is_text() {
        for (expression, expected) in [
            ("^${account}$", "^${account}$"),
            ("^${labels:a-b}/[${name:1}x]", "^${labels:a-b}/[${name:1}x]"),
            ("${foo}", "$\\{foo}"),
            ("a$", "a$"),
        ] {
            assert_eq!(from_go_regex(expression), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_expression_panics(expression in "[\\\\\\[\\]{}:^&$Qpdbxaä0-9,~-]{0,20}") {
            from_go_regex(&expression);
        }
    }
}
