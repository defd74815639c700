//! Why a text is not YAML, in words for people: the parser's messages speak of scalars, nodes and block mappings.

/// Why a text is not YAML, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Counted from 1; 0 when the parser does not say.
    pub(crate) line: usize,
    /// Counted from 1; 0 when the parser does not say.
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl SyntaxError {
    fn at(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            column,
            message: message.into(),
        }
    }
}

/// What the parser said about `text`.
pub(super) fn of(error: &serde_yaml::Error, text: &str) -> SyntaxError {
    let (line, column) = error
        .location()
        .map_or((0, 0), |location| (location.line(), location.column()));
    // The place is told apart from the message, not twice.
    let said = error
        .to_string()
        .replacen(&format!(" at line {line} column {column}"), "", 1);
    let told = Told {
        said,
        line,
        column,
        text,
    };
    told.tab()
        .or_else(|| told.control_character())
        .or_else(|| told.duplicate())
        .or_else(|| told.unclosed())
        .or_else(|| told.out_of_place())
        .unwrap_or_else(|| SyntaxError::at(line, column, told.said.clone()))
}

/// The second document that holds anything; `number` counts all from 0.
pub(super) fn second_document(text: &str, number: usize) -> SyntaxError {
    let begins = |line: &str| line.trim_end() == "---" || line.starts_with("--- ");
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', '%']);
    // The first document needs no line of its own.
    let first = text.lines().find(|line| is_content(line)).is_some_and(begins);
    let separators = text.lines().zip(1..).filter(|(line, _)| begins(line));
    let line = separators.map(|(_, line)| line).nth(number - usize::from(!first));
    SyntaxError::at(
        line.unwrap_or(0),
        1,
        "a second document begins here; a file holds one configuration, so remove this one",
    )
}

/// A message of the parser, and what it is about.
struct Told<'a> {
    said: String,
    line: usize,
    column: usize,
    text: &'a str,
}

impl Told<'_> {
    fn text_of(&self, line: usize) -> &str {
        self.text.lines().nth(line.wrapping_sub(1)).unwrap_or_default()
    }

    fn tab(&self) -> Option<SyntaxError> {
        let indentation = self.text_of(self.line).chars().take_while(|c| c.is_whitespace());
        let has_tab = indentation.into_iter().any(|c| c == '\t');
        has_tab.then(|| SyntaxError::at(self.line, self.column, "indented with a tab; YAML takes blanks"))
    }

    fn control_character(&self) -> Option<SyntaxError> {
        if !self.said.starts_with("control characters") {
            return None;
        }
        let is_one = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}');
        let (line, text) = (1..).zip(self.text.lines()).find(|(_, text)| text.contains(is_one))?;
        let (at, found) = text.char_indices().find(|(_, c)| is_one(*c))?;
        let message = format!("the control character 0x{:02X} has no place here", u32::from(found));
        Some(SyntaxError::at(line, at + 1, message))
    }

    /// The parser's place is where the section begins.
    fn duplicate(&self) -> Option<SyntaxError> {
        let key = self.said.split("duplicate entry with key ").nth(1)?;
        let key: &str = key.trim().trim_matches('"');
        let indentation = self.column.saturating_sub(1);
        let lines = (1..).zip(self.text.lines()).skip(self.line.saturating_sub(1));
        let of_section = lines
            .filter(|(_, text)| !text.trim().is_empty() && !text.trim_start().starts_with('#'))
            .enumerate()
            .take_while(|(number, (_, text))| *number == 0 || indentation_of(text) >= indentation);
        let mut named = of_section.filter_map(|(_, (line, text))| {
            let rest = text.get(indentation..).filter(|rest| !rest.starts_with(' '))?;
            (key_of(rest)? == key).then_some(line)
        });
        Some(match (named.next(), named.next()) {
            (Some(first), Some(second)) => SyntaxError::at(
                second,
                self.column,
                format!("{key} is here a second time, after line {first}; remove one of the two"),
            ),
            _ => SyntaxError::at(
                self.line,
                self.column,
                format!("{key} is twice in the section that begins here; remove one of the two"),
            ),
        })
    }

    /// A bracket or quote that the parser missed the end of, far below as a rule.
    fn unclosed(&self) -> Option<SyntaxError> {
        let opened = if self.said.contains("expected ',' or ']'") {
            "["
        } else if self.said.contains("expected ',' or '}'") {
            "{"
        } else if self.said.contains("while scanning a quoted scalar") {
            "quote"
        } else {
            return None;
        };
        let (line, column) = self.context()?;
        let message = match line == self.line {
            true => format!("the {opened} that opens here is not closed, or something stands where a comma should"),
            false => format!(
                "the {opened} that opens here is not closed before line {}, or a comma is missing",
                self.line
            ),
        };
        Some(SyntaxError::at(line, column, message))
    }

    fn out_of_place(&self) -> Option<SyntaxError> {
        let (line, column) = (self.line, self.column);
        let here = |message: &str| Some(SyntaxError::at(line, column, message));
        if self.said.starts_with("found character that cannot start any token") {
            let found = self.text_of(line).chars().nth(column.wrapping_sub(1))?;
            return here(&format!("a value cannot begin with {found} here; put it into quotes"));
        }
        if self.said.starts_with("mapping values are not allowed") {
            return Some(self.second_colon());
        }
        if self.said.starts_with("could not find expected ':'") {
            let (line, column) = self.context().unwrap_or((line, column));
            return Some(SyntaxError::at(
                line,
                column,
                "expected `key: value`; there is no colon in this line",
            ));
        }
        if self.said.starts_with("did not find expected key") {
            return here("does not fit the lines above: look at its indentation, and at quotes and brackets before it");
        }
        if self.said.starts_with("did not find expected '-'") {
            let list = self.context().map_or(line, |(line, _)| line);
            return here(&format!(
                "expected a further entry of the list in line {list}, which begins with - at the same indentation"
            ));
        }
        if self.said.starts_with("did not find expected node content") {
            return here("expected a value here; one with special characters needs quotes");
        }
        None
    }

    /// `a: b: c`, a key below one that has a value, or a line before without a blank after its colon.
    fn second_colon(&self) -> SyntaxError {
        let before = &self
            .text_of(self.line)
            .get(..self.column.saturating_sub(1))
            .unwrap_or_default();
        if before.contains(": ") {
            let message = "a second colon in this line: a value with a colon and a blank in it needs quotes";
            return SyntaxError::at(self.line, self.column, message);
        }
        let above = (1..).zip(self.text.lines()).take(self.line.saturating_sub(1));
        let above = above
            .filter(|(_, text)| !text.trim().is_empty() && !text.trim_start().starts_with('#'))
            .last();
        if let Some((line, text)) = above
            && key_of(text.trim_start()).is_none()
            && let Some((key, value)) = text.trim().split_once(':')
        {
            let message = format!("expected a blank after the colon: `{key}: {value}`");
            return SyntaxError::at(line, indentation_of(text) + 1, message);
        }
        let message = "indented further than the line above, which has a value already or no colon at its end";
        SyntaxError::at(self.line, indentation_of(self.text_of(self.line)) + 1, message)
    }

    /// `..., while parsing a flow sequence at line 1 column 4`
    fn context(&self) -> Option<(usize, usize)> {
        let (_, place) = self.said.rsplit_once(" at line ")?;
        let (line, column) = place.split_once(" column ")?;
        Some((line.parse().ok()?, column.parse().ok()?))
    }
}

fn indentation_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The key that a line without its indentation begins with.
fn key_of(line: &str) -> Option<&str> {
    let end = line
        .match_indices(':')
        .find(|(at, _)| line[at + 1..].is_empty() || line[at + 1..].starts_with([' ', '\t']))?
        .0;
    Some(line[..end].trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    fn error_of(text: &str) -> SyntaxError {
        match parse(text.as_bytes()) {
            Ok(_) => panic!("parsed: {text}"),
            Err(error) => error,
        }
    }

    #[test]
    fn each_is_told_where_it_is_and_without_the_parsers_words() {
        for (text, line, words) in [
            ("log:\n\tlevel: info\n", 2, "tab"),
            ("a: b\u{1}\n", 1, "0x01"),
            ("ok: 1\na: b\n\u{0}c: d\n", 3, "0x00"),
            (
                "a: [1, 2\nb: 3\nc: 4\n",
                1,
                "[ that opens here is not closed before line 2",
            ),
            ("a: {b: 1\nc: 2\n", 1, "{ that opens here"),
            ("x: 1\na: \"x\nb: c\n", 2, "quote that opens here"),
            ("a: @x\n", 1, "cannot begin with @"),
            ("a: `x`\n", 1, "cannot begin with `"),
            ("a: x: y\n", 1, "second colon"),
            ("http:\n  addr:5000\n\n  host: x\n", 2, "`addr: 5000`"),
            ("a: b\n  c: d\n", 2, "indented further"),
            ("log:\n  level: info\n }\n", 3, "indentation"),
            ("a:\n  b: 1\n c: 2\n", 3, "indentation"),
            ("a: 'x'y\n", 1, "quotes"),
            ("a:\n - b\n c: d\n", 3, "list in line 2"),
            ("a: 1\nfoo\nb: 2\n", 2, "no colon"),
            ("a: [b, ]c]\n", 1, ""),
        ] {
            let error = error_of(text);
            assert_eq!(error.line, line, "{text:?}: {error:?}");
            assert!(error.message.contains(words), "{text:?}: {error:?}");
            for parsers in ["scalar", "node", "mapping", "token", "while"] {
                assert!(!error.message.contains(parsers), "{text:?}: {error:?}");
            }
        }
    }

    #[test]
    fn both_lines_of_a_duplicate_are_named() {
        for (text, first, second) in [
            ("log:\n  level: info\n  # again\n  level: debug\n", 2, 4),
            (
                "version: 0.1\nlog:\n  level: info\nhttp: {}\nlog:\n  level: debug\n",
                2,
                5,
            ),
            ("a:\n  x:\n    level: 1\n  \"x\":\n    level: 2\nx: 1\n", 2, 4),
            ("a:\n  - x: 1\n    y: 2\n    x: 3\n", 2, 4),
        ] {
            let error = error_of(text);
            assert_eq!(error.line, second, "{text:?}: {error:?}");
            assert!(
                error.message.contains(&format!("after line {first};")),
                "{text:?}: {error:?}"
            );
        }
        let error = error_of("a: {x: 1, x: 2}\n");
        assert_eq!(error.line, 1, "{error:?}");
        assert!(error.message.starts_with("x is twice"), "{error:?}");
    }
}
