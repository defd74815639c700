//! Typed readers over the raw tree. Each returns what it can and records what it cannot.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::raw::{Content, Key, Node, Shape, join, without_userinfo};
use crate::units::{duration, size};

/// A millisecond: no duration that anybody wants is shorter.
const NANOSECONDS_ON_PURPOSE: u64 = 1_000_000;

/// One section of the configuration, there or not. Readers answer `None` for what is unset (null and empty text
/// included) and for what is wrong.
pub(crate) struct Section<'a> {
    path: String,
    keys: &'static [Key],
    node: Option<&'a Node>,
    diagnostics: &'a Diagnostics,
}

impl<'a> Section<'a> {
    pub(crate) fn root(node: &'a Node, keys: &'static [Key], diagnostics: &'a Diagnostics) -> Self {
        Self {
            path: String::new(),
            keys,
            node: Some(node),
            diagnostics,
        }
    }

    /// The section below `name`; empty when it is unset, or no section, which the check of the keys reports.
    pub(crate) fn section(&self, name: &str) -> Section<'a> {
        let key = self.key(name);
        self.below(join(&self.path, name), key.shape.keys().unwrap_or(&[]), self.set(name))
    }

    /// The sections of the list below `name`.
    pub(crate) fn items(&self, name: &str) -> Vec<Section<'a>> {
        let keys = self.key(name).shape.keys().unwrap_or(&[]);
        let Some(Content::List(items)) = self.set(name).map(|node| &node.content) else {
            return Vec::new();
        };
        let path = join(&self.path, name);
        items
            .iter()
            .enumerate()
            .map(|(index, node)| self.below(format!("{path}[{index}]"), keys, Some(node)))
            .collect()
    }

    /// Names and texts below `name`, where names are the user's own.
    pub(crate) fn texts_by_name(&self, name: &str) -> Vec<(String, String)> {
        let section = self.section(name);
        let read = |(key, node): &(String, Node)| Some((key.clone(), section.text_of(key, node)?));
        section.entries().iter().filter_map(read).collect()
    }

    /// Names and lists of texts below `name`, where names are the user's own.
    pub(crate) fn lists_by_name(&self, name: &str) -> Vec<(String, Vec<String>)> {
        let section = self.section(name);
        let read = |(key, node): &(String, Node)| Some((key.clone(), section.texts_of(key, node)?));
        section.entries().iter().filter_map(read).collect()
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        let flag = self.set(name)?.as_flag();
        flag.or_else(|| self.wrong(name, "expected true or false"))
    }

    /// Whether a key that is a section or `true` is on.
    pub(crate) fn switch(&self, name: &str) -> bool {
        self.child(name)
            .is_some_and(|node| node.as_flag().unwrap_or(matches!(node.content, Content::Map(_))))
    }

    /// A text, or another scalar as text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.text_of(name, self.set(name)?)
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        let node = self.set(name)?;
        let number = match &node.content {
            Content::Number(number) => number.as_i64(),
            Content::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.or_else(|| self.wrong(name, "expected a whole number"))
    }

    /// A Go duration; a bare number is nanoseconds, as distribution reads it.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        let node = self.set(name)?;
        match &node.content {
            Content::Number(number) => match number.as_u64() {
                Some(nanoseconds) => {
                    if (1..NANOSECONDS_ON_PURPOSE).contains(&nanoseconds) {
                        self.warning(name, "a bare number is nanoseconds; write the unit, as in 60s");
                    }
                    Some(Duration::from_nanos(nanoseconds))
                }
                None => self.wrong(name, &format!("expected a duration such as {}", duration::EXAMPLES)),
            },
            _ => self.parse_with(name, duration::parse),
        }
    }

    /// A number of bytes, `4194304` or `4MiB`.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        self.parse_with(name, size::parse)
    }

    /// Whatever its text parses into; the error is the expectation.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> Option<T> {
        self.parse_with(name, T::from_str)
    }

    /// As `parse`, by a function.
    pub(crate) fn parse_with<T, E: Display>(&self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        match parse(&self.text(name)?) {
            Ok(value) => Some(value),
            Err(expected) => self.wrong(name, &expected.to_string()),
        }
    }

    /// Each of a list of texts parsed; the mistakes name the entry.
    pub(crate) fn parse_each<T, E: Display>(&self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let texts = self.texts(name).unwrap_or_default();
        let parsed = texts.iter().enumerate().map(|(index, text)| match parse(text) {
            Ok(value) => Some(value),
            Err(expected) => {
                self.mistake_at(name, index, text, &expected.to_string());
                None
            }
        });
        parsed.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// A path; one that is relative is below the configuration file's directory.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.absolute(self.text(name)?))
    }

    /// `path` as seen from the configuration file.
    pub(crate) fn absolute(&self, path: impl Into<PathBuf>) -> PathBuf {
        self.diagnostics.absolute(&path.into())
    }

    /// A list of texts; one text is a list of one.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.texts_of(name, self.set(name)?)
    }

    /// Whether the section itself holds any key.
    pub(crate) fn is_set(&self) -> bool {
        self.entries().iter().any(|(_, node)| node.is_active())
    }

    /// Whether `name` is written at all, be it empty.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.child(name).is_some()
    }

    /// Whether `name` holds anything: not null, not an empty text.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.set(name).is_some()
    }

    /// Whether `name` holds the empty text, for keys where that is a value.
    pub(crate) fn is_empty_text(&self, name: &str) -> bool {
        self.child(name)
            .is_some_and(|node| matches!(&node.content, Content::Text(text) if text.is_empty()))
    }

    /// `name` holds what it may not.
    pub(crate) fn mistake(&self, name: &str, expected: &str) {
        self.diagnostics.mistake(self.about(name, expected));
    }

    /// Entry `index` of the list `name` holds what it may not.
    pub(crate) fn mistake_at(&self, name: &str, index: usize, value: &str, expected: &str) {
        let mut mistake = self.about(name, expected);
        mistake.key = format!("{}[{index}]", mistake.key);
        mistake.value = Some(without_userinfo(value));
        self.diagnostics.mistake(mistake);
    }

    /// `name` is needed and not there.
    pub(crate) fn missing(&self, name: &str, expected: &str) {
        if !self.has(name) {
            self.diagnostics
                .mistake(self.about(name, &format!("missing; {expected}")));
        }
    }

    /// None of `names` is there; the mistake stands at the first.
    pub(crate) fn missing_one_of(&self, names: [&str; 2], expected: &str) {
        if !names.iter().any(|name| self.has(name)) {
            self.missing(names[0], expected);
        }
    }

    /// `name` is as it may be, and probably not as it was meant.
    pub(crate) fn warning(&self, name: &str, text: &str) {
        self.diagnostics.warning(self.about(name, text));
    }

    fn wrong<T>(&self, name: &str, expected: &str) -> Option<T> {
        self.mistake(name, expected);
        None
    }

    /// A finding about `name` that shows plain values which are no secrets.
    fn about(&self, name: &str, expected: &str) -> Diagnostic {
        let node = self.set(name);
        let secret = self
            .keys
            .iter()
            .any(|key| key.name == name && matches!(key.shape, Shape::Secret));
        let shown = node.filter(|node| !secret && node.is_plain());
        Diagnostic {
            key: join(&self.path, name),
            value: shown.map(|node| without_userinfo(&node.written())),
            expected: expected.to_owned(),
            variable: node.and_then(|node| node.variable.clone()),
        }
    }

    fn text_of(&self, name: &str, node: &Node) -> Option<String> {
        match &node.content {
            Content::List(_) | Content::Map(_) => self.wrong(name, "expected a single value"),
            _ => Some(node.written()),
        }
    }

    fn texts_of(&self, name: &str, node: &Node) -> Option<Vec<String>> {
        let Content::List(items) = &node.content else {
            return match &node.content {
                Content::Map(_) => self.wrong(name, "expected a list"),
                Content::Null => Some(Vec::new()),
                _ => Some(vec![node.written()]),
            };
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match &item.content {
                Content::List(_) | Content::Map(_) | Content::Null => {
                    self.mistake_at(name, index, &item.written(), "expected a single value");
                }
                _ => texts.push(item.written()),
            }
        }
        Some(texts)
    }

    fn below(&self, path: String, keys: &'static [Key], node: Option<&'a Node>) -> Section<'a> {
        Section {
            path,
            keys,
            node,
            diagnostics: self.diagnostics,
        }
    }

    fn entries(&self) -> &'a [(String, Node)] {
        match self.node.map(|node| &node.content) {
            Some(Content::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// What `name` holds, unless that is nothing.
    fn set(&self, name: &str) -> Option<&'a Node> {
        self.child(name).filter(|node| match &node.content {
            Content::Null => false,
            Content::Text(text) => !text.is_empty(),
            _ => true,
        })
    }

    fn child(&self, name: &str) -> Option<&'a Node> {
        // Sections whose names are the user's own have no table.
        debug_assert!(
            self.keys.is_empty() || self.keys.iter().any(|key| key.name == name),
            "{name} is not in the table"
        );
        self.node?.child(name)
    }

    fn key(&self, name: &str) -> &'static Key {
        self.keys
            .iter()
            .find(|key| key.name == name)
            .expect("sections are read by names that the table has")
    }
}
