//! Scalars as docker_auth's parser reads them: the text that was written, whatever it looks like.

use serde_yaml::{Mapping, Value};

/// What the import reports, each with the place in the file.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Differences that change nothing.
    pub(super) notes: Vec<String>,
    /// What is left out, which denies more than before.
    pub(super) warnings: Vec<String>,
    /// What prevents the import.
    pub(super) mistakes: Vec<String>,
    /// Whether a number may have been written otherwise than it is read: see [`has_odd_numbers`].
    pub(super) odd_numbers: bool,
}

impl Messages {
    pub(super) fn note(&mut self, place: &str, text: &str) {
        self.notes.push(format!("{place}: {text}"));
    }

    pub(super) fn warning(&mut self, place: &str, text: &str) {
        self.warnings.push(format!("{place}: {text}"));
    }

    pub(super) fn mistake(&mut self, place: &str, text: &str) {
        let mistake = format!("{place}: {text}");
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}

/// A value without its tag.
pub(super) fn plain(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => plain(&tagged.value),
        value => value,
    }
}

/// The value of `key`; null counts as absent.
pub(super) fn get<'a>(mapping: &'a Mapping, key: &str) -> Option<&'a Value> {
    mapping.get(key).map(plain).filter(|value| !value.is_null())
}

/// The mapping at `key`, which messages call `place`; anything else than what is `expected` is a mistake.
pub(super) fn mapping<'a>(
    parent: &'a Mapping,
    key: &str,
    place: &str,
    expected: &str,
    messages: &mut Messages,
) -> Option<&'a Mapping> {
    match get(parent, key)? {
        Value::Mapping(mapping) => Some(mapping),
        _ => {
            messages.mistake(place, &format!("expected {expected}"));
            None
        }
    }
}

/// `parent.child`, or `child` at the top.
pub(super) fn join(parent: &str, child: &str) -> String {
    match parent {
        "" => child.to_owned(),
        parent => format!("{parent}.{child}"),
    }
}

/// A scalar as text, `None` for null. `1.10` and `True` were read as values, and how they were written is gone.
pub(super) fn text(value: &Value, place: &str, messages: &mut Messages) -> Option<String> {
    match plain(value) {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_u64() && !messages.odd_numbers => Some(number.to_string()),
        Value::Number(_) | Value::Bool(_) => {
            messages.mistake(
                place,
                "put this into quotes, so that it is the text that docker_auth reads",
            );
            None
        }
        _ => {
            messages.mistake(place, "expected a text");
            None
        }
    }
}

/// Whether the file may hold integers that are not written as they are read, such as `0x10` and `+1`: docker_auth takes
/// `name: 0x10` as that text, not as 16.
pub(super) fn has_odd_numbers(file: &str) -> bool {
    let mut words = file.split(|char: char| char.is_whitespace() || "[]{},:".contains(char));
    words.any(|word| {
        let digits = word.trim_start_matches(['+', '-']);
        let is_signed = digits.len() < word.len() && word.starts_with('+');
        let is_based = ["0x", "0o", "0b"].iter().any(|base| digits.starts_with(base));
        is_based || (is_signed && digits.starts_with(|first: char| first.is_ascii_digit()))
    })
}

/// A list of texts.
pub(super) fn texts(value: &Value, place: &str, messages: &mut Messages) -> Vec<String> {
    let Value::Sequence(items) = plain(value) else {
        messages.mistake(
            place,
            "expected a list; docker_auth does not start with anything else here",
        );
        return Vec::new();
    };
    let item = |(index, item)| text(item, &format!("{place}[{index}]"), messages).unwrap_or_default();
    items.iter().enumerate().map(item).collect()
}
