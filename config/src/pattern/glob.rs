//! Globs with the rules of Go's `path.Match`, which docker_auth's patterns have, and their variants.

use super::error::GlobError;

/// A glob, ready to match.
///
/// `*` any number of characters but `/`; `?` one but `/`; `[a-z]`, `[^a-z]` one of a class; `\` takes the next as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Star,
    /// Any number of characters, `/` included.
    DeepStar,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Go's rules; `**` is `*` twice.
    pub(super) fn of_rule(text: &str) -> Result<Self, GlobError> {
        tokens(text).map(Self)
    }

    /// The same, but `**` crosses `/`.
    pub(super) fn of_policy(text: &str) -> Result<Self, GlobError> {
        let tokens = tokens(text)?;
        let mut deep: Vec<Token> = Vec::with_capacity(tokens.len());
        for token in tokens {
            match (deep.last_mut(), token) {
                (Some(last @ (Token::Star | Token::DeepStar)), Token::Star) => *last = Token::DeepStar,
                (_, token) => deep.push(token),
            }
        }
        Ok(Self(deep))
    }

    /// `*` crosses `/`, and every other character stands for itself.
    pub(super) fn of_filter(text: &str) -> Self {
        let token = |character| match character {
            '*' => Token::DeepStar,
            character => Token::Literal(character),
        };
        Self(text.chars().map(token).collect())
    }

    /// Whether the glob matches the whole of `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        let tokens = &self.0;
        // reached[n]: what was read so far may be matched by the first n tokens. One pass, whatever the stars.
        let mut reached = vec![false; tokens.len() + 1];
        reached[0] = true;
        skip_stars(tokens, &mut reached);
        for character in text.chars() {
            for position in (0..=tokens.len()).rev() {
                let stays = reached[position] && tokens.get(position).is_some_and(|token| token.repeats(character));
                let comes = position > 0 && reached[position - 1] && tokens[position - 1].takes(character);
                reached[position] = stays || comes;
            }
            skip_stars(tokens, &mut reached);
        }
        reached[tokens.len()]
    }
}

/// A star may stand for nothing.
fn skip_stars(tokens: &[Token], reached: &mut [bool]) {
    for (position, token) in tokens.iter().enumerate() {
        if reached[position] && matches!(token, Token::Star | Token::DeepStar) {
            reached[position + 1] = true;
        }
    }
}

impl Token {
    /// Whether the token can take `character` and go on taking.
    fn repeats(&self, character: char) -> bool {
        match self {
            Self::Star => character != '/',
            Self::DeepStar => true,
            _ => false,
        }
    }

    /// Whether the token can take `character` and be done.
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == character,
            Self::One => character != '/',
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
            Self::Star | Self::DeepStar => false,
        }
    }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn tokens(text: &str) -> Result<Vec<Token>, GlobError> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            '*' => Token::Star,
            '?' => Token::One,
            '\\' => Token::Literal(rest.next().ok_or(GlobError::TrailingBackslash)?),
            '[' => class(&mut rest)?,
            character => Token::Literal(character),
        });
    }
    Ok(tokens)
}

/// What follows `[`, through `]`: at least one range.
fn class(rest: &mut Rest<'_>) -> Result<Token, GlobError> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
        let low = end_of_range(rest)?;
        let dash = rest.next_if_eq(&'-').is_some();
        ranges.push((low, if dash { end_of_range(rest)? } else { low }));
    }
    Ok(Token::Class { negated, ranges })
}

/// One end of a range; something has to follow it.
fn end_of_range(rest: &mut Rest<'_>) -> Result<char, GlobError> {
    let end = match rest.next() {
        None => return Err(GlobError::OpenClass),
        Some('-' | ']') => return Err(GlobError::BadClass),
        Some('\\') => rest.next().ok_or(GlobError::OpenClass)?,
        Some(character) => character,
    };
    match rest.peek() {
        Some(_) => Ok(end),
        None => Err(GlobError::OpenClass),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(pattern: &str, text: &str) -> bool {
        Glob::of_rule(pattern).is_ok_and(|glob| glob.matches(text))
    }

    #[test]
    fn globs_follow_gos_path_match() {
        // What Go's documentation says of path.Match, case by case.
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("*", "abc", true),
            ("*", "", true),
            ("*", "a/b", false),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("a?b", "a/b", false),
            ("a?b", "aéb", true),
            ("a*b", "a/b", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a???b", "aab", false),
            ("a[^a]b", "aéb", true),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("[\\]a]", "]", true),
            ("[\\-]", "-", true),
            ("[x\\-]", "-", true),
            ("[\\-x]", "a", false),
            ("**", "a/b", false),
            ("**", "ab", true),
            ("*x", "xxx", true),
            // Malformed.
            ("[]a]", "]", false),
            ("[-]", "-", false),
            ("[x-]", "x", false),
            ("[a-b-c]", "a", false),
            ("[", "[", false),
            ("[^", "a", false),
            ("[^bc", "a", false),
            ("a[", "a", false),
            ("\\", "\\", false),
            ("a\\", "a", false),
        ] {
            assert_eq!(rule(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn deep_stars_cross_slashes() {
        for (pattern, text, expected) in [
            ("**", "a/b/c", true),
            ("**", "", true),
            ("a/**", "a/b/c", true),
            ("a/**", "ab/c", false),
            ("a/**", "a", false),
            ("**/a*", "x/ab/a", true),
            ("**/a*", "x/ab/ac/d", false),
            ("*", "a/b", false),
            ("a/*/c", "a/b/b/c", false),
            ("a/**/c", "a/b/b/c", true),
        ] {
            assert_eq!(
                Glob::of_policy(pattern).unwrap().matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

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
            assert_eq!(Glob::of_rule(pattern).map(drop), expected, "{pattern}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        // From the rows of Go's `match_test.go` that end in ErrBadPattern.
        for pattern in [
            "[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "[a-b-c]", "[a-b-d", "[]-a]", "\\", "[a\\",
        ] {
            assert!(Glob::of_rule(pattern).is_err(), "{pattern}");
        }
    }

    /// Go's `path.Match` as its documentation defines it, by trying everything: slow, and short enough to be believed.
    /// `stars` of one or two characters cross `/`.
    fn reference(tokens: &[Token], text: &[char]) -> bool {
        let Some((first, rest)) = tokens.split_first() else {
            return text.is_empty();
        };
        match first {
            Token::Star | Token::DeepStar => (0..=text.len())
                .take_while(|end| *end == 0 || *first == Token::DeepStar || text[end - 1] != '/')
                .any(|end| reference(rest, &text[end..])),
            Token::Literal(literal) => text
                .split_first()
                .is_some_and(|(c, text)| c == literal && reference(rest, text)),
            Token::One => text
                .split_first()
                .is_some_and(|(c, text)| *c != '/' && reference(rest, text)),
            Token::Class { negated, ranges } => text.split_first().is_some_and(|(c, text)| {
                ranges.iter().any(|(low, high)| low <= c && c <= high) != *negated && reference(rest, text)
            }),
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics_and_a_text_matches_itself_escaped(pattern in "\\PC{0,30}", text in "\\PC{0,30}") {
            rule(&pattern, &text);
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(rule(&escaped, &text));
        }

        #[test]
        fn many_stars_cost_no_more(text in "a{0,200}") {
            let pattern = "a*".repeat(50) + "b";
            prop_assert!(!rule(&pattern, &text));
        }

        #[test]
        fn one_pass_finds_what_trying_everything_finds(
            pattern in "([ab/*?]|\\*\\*|\\[\\^?[a-b]\\]){0,8}",
            text in "[ab/]{0,10}",
        ) {
            let characters: Vec<char> = text.chars().collect();
            for glob in [Glob::of_rule(&pattern).unwrap(), Glob::of_policy(&pattern).unwrap(), Glob::of_filter(&pattern)] {
                prop_assert_eq!(glob.matches(&text), reference(&glob.0, &characters), "{:?}", glob);
            }
        }

        /// Each way matches what the one before it matches, and more where stars cross `/`.
        #[test]
        fn a_policy_opens_more_than_a_rule_and_a_filter_more_than_both(
            pattern in "([ab/]|\\*\\*?){0,8}",
            text in "[ab/]{0,10}",
        ) {
            let (rule, policy) = (Glob::of_rule(&pattern).unwrap(), Glob::of_policy(&pattern).unwrap());
            let filter = Glob::of_filter(&pattern);
            prop_assert!(!rule.matches(&text) || policy.matches(&text));
            prop_assert!(!policy.matches(&text) || filter.matches(&text));
            if !pattern.contains("**") {
                prop_assert_eq!(rule.matches(&text), policy.matches(&text));
            }
            if !pattern.contains('*') {
                prop_assert_eq!(rule.matches(&text), filter.matches(&text));
            }
        }
    }
}
