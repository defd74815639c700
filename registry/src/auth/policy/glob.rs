//! Globs with the rules of Go's `path.Match`, which docker_auth's patterns have: `*` and `?` stop at `/`.

/// A glob, ready to match.
///
/// `*` any number of characters but `/`; `?` one but `/`; `[a-z]`, `[^a-z]` one of a class; `\` takes the next as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glob(Option<Vec<Token>>);

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Star,
    /// `**` where it is asked for: any number of characters, `/` included.
    DeepStar,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Go's rules; `**` is `*` twice. What is malformed matches nothing.
    pub(super) fn parse(text: &str) -> Self {
        Self(tokens(text))
    }

    /// The same, but `**` crosses `/`.
    pub(super) fn parse_deep(text: &str) -> Self {
        let tokens = tokens(text).map(|tokens| {
            let mut deep: Vec<Token> = Vec::with_capacity(tokens.len());
            for token in tokens {
                match (deep.last_mut(), token) {
                    (Some(last @ (Token::Star | Token::DeepStar)), Token::Star) => *last = Token::DeepStar,
                    (_, token) => deep.push(token),
                }
            }
            deep
        });
        Self(tokens)
    }

    /// Whether the glob matches the whole of `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(tokens) = &self.0 else {
            return false;
        };
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

/// `None` when malformed: an open class, an empty one, a `\` at the end, a bare `-` or `]` in a class.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut characters = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => Token::Star,
            '?' => Token::One,
            '\\' => Token::Literal(characters.next()?),
            '[' => {
                let negated = characters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if !ranges.is_empty() && characters.next_if_eq(&']').is_some() {
                        break;
                    }
                    let low = class_character(&mut characters)?;
                    let dash = characters.next_if_eq(&'-').is_some();
                    ranges.push((low, if dash { class_character(&mut characters)? } else { low }));
                }
                Token::Class { negated, ranges }
            }
            character => Token::Literal(character),
        });
    }
    Some(tokens)
}

fn class_character(characters: &mut impl Iterator<Item = char>) -> Option<char> {
    match characters.next()? {
        '-' | ']' => None,
        '\\' => characters.next(),
        character => Some(character),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            assert_eq!(Glob::parse(pattern).matches(text), expected, "{pattern} {text}");
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
            assert_eq!(Glob::parse_deep(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics_and_a_text_matches_itself_escaped(pattern in "\\PC{0,30}", text in "\\PC{0,30}") {
            Glob::parse(&pattern).matches(&text);
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(Glob::parse(&escaped).matches(&text));
        }

        #[test]
        fn many_stars_cost_no_more(text in "a{0,200}") {
            let pattern = "a*".repeat(50) + "b";
            prop_assert!(!Glob::parse(&pattern).matches(&text));
        }
    }
}
