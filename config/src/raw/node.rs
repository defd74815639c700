//! The tree of what the user wrote, each node knowing which variable it came from.

use std::collections::HashMap;

use serde_yaml::{Number, Value};

/// One value and its origin. Not `Debug`: it may hold secrets.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) content: Content,
    /// The variable that set it; `None` = the file.
    pub(crate) variable: Option<String>,
}

/// What YAML can say, with keys as text, in the order written.
#[derive(Clone)]
pub(crate) enum Content {
    Null,
    Flag(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn new(content: Content) -> Self {
        Self {
            content,
            variable: None,
        }
    }

    pub(crate) fn empty_map() -> Self {
        Self::new(Content::Map(Vec::new()))
    }

    /// From YAML. Tags are dropped, keys that are not text are written as text.
    pub(crate) fn from_yaml(value: Value) -> Self {
        Self::new(match value {
            Value::Null => Content::Null,
            Value::Bool(flag) => Content::Flag(flag),
            Value::Number(number) => Content::Number(number),
            Value::String(text) => Content::Text(text),
            Value::Sequence(items) => Content::List(items.into_iter().map(Self::from_yaml).collect()),
            Value::Mapping(entries) => Content::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (Self::from_yaml(key).written(), Self::from_yaml(value)))
                    .collect(),
            ),
            Value::Tagged(tagged) => return Self::from_yaml(tagged.value),
        })
    }

    /// Marks the node and all below it as set by `variable`.
    pub(crate) fn set_by(mut self, variable: &str) -> Self {
        self.variable = Some(variable.to_owned());
        match &mut self.content {
            Content::List(items) => {
                for item in items {
                    *item = item.clone().set_by(variable);
                }
            }
            Content::Map(entries) => {
                for (_, value) in entries {
                    *value = value.clone().set_by(variable);
                }
            }
            _ => {}
        }
        self
    }

    /// The variable that set it, or one of those that set everything below it.
    pub(crate) fn origin(&self) -> Option<&String> {
        let below: Vec<&Self> = match &self.content {
            Content::List(items) => items.iter().collect(),
            Content::Map(entries) => entries.iter().map(|(_, node)| node).collect(),
            _ => Vec::new(),
        };
        let origins: Option<Vec<_>> = below.into_iter().map(Self::origin).collect();
        self.variable.as_ref().or_else(|| origins?.first().copied())
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.content, Content::Null)
    }

    /// The value of `key` when this is a map that has it.
    pub(crate) fn child(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn child_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.content {
            Content::Map(entries) => entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A flag. YAML 1.1's `yes`, `on` and their like count too, as with distribution's parser.
    pub(crate) fn as_flag(&self) -> Option<bool> {
        match &self.content {
            Content::Flag(flag) => Some(*flag),
            Content::Text(text) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => Some(true),
                "no" | "off" | "n" | "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The keys of a map.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = match &self.content {
            Content::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(name, _)| name.as_str())
    }

    /// Sets `key` of a map; null becomes a map.
    pub(crate) fn put(&mut self, key: &str, value: Node) {
        self.remove(key);
        if self.is_null() {
            self.content = Content::Map(Vec::new());
        }
        if let Content::Map(entries) = &mut self.content {
            entries.push((key.to_owned(), value));
        }
    }

    /// Takes `key` out of a map.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Content::Map(entries) = &mut self.content {
            entries.retain(|(name, _)| name != key);
        }
    }

    /// Whether a variable set it or anything below it.
    pub(crate) fn is_touched(&self) -> bool {
        let below = match &self.content {
            Content::List(items) => items.iter().any(Node::is_touched),
            Content::Map(entries) => entries.iter().any(|(_, value)| value.is_touched()),
            _ => false,
        };
        below || self.variable.is_some()
    }

    /// Whether it asks for anything: not null, false, empty, or switched off by `disabled: true` inside.
    pub(crate) fn is_active(&self) -> bool {
        match &self.content {
            Content::Null => false,
            Content::Flag(_) | Content::Text(_) if self.as_flag() == Some(false) => false,
            Content::Flag(_) | Content::Number(_) => true,
            Content::Text(text) => !text.is_empty(),
            Content::List(items) => items.iter().any(Node::is_active),
            Content::Map(entries) => {
                let disabled = self.child("disabled").and_then(Node::as_flag) == Some(true);
                !disabled && entries.iter().any(|(_, value)| value.is_active())
            }
        }
    }

    /// Whether it is a single value or a list of such: what can be shown in a message.
    pub(crate) fn is_plain(&self) -> bool {
        match &self.content {
            Content::Map(_) => false,
            Content::List(items) => !items
                .iter()
                .any(|item| matches!(item.content, Content::Map(_) | Content::List(_))),
            _ => true,
        }
    }

    /// The value as one would write it on one line.
    pub(crate) fn written(&self) -> String {
        match &self.content {
            Content::Null => String::new(),
            Content::Flag(flag) => flag.to_string(),
            Content::Number(number) => number.to_string(),
            Content::Text(text) => text.clone(),
            Content::List(items) => {
                let items: Vec<_> = items.iter().map(Node::written).collect();
                format!("[{}]", items.join(", "))
            }
            Content::Map(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{key}: {}", value.written()))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    /// Position of each key path, counted from the top of the file.
    pub(crate) fn order(&self) -> HashMap<String, usize> {
        let mut order = HashMap::new();
        self.number(String::new(), &mut order);
        order
    }

    fn number(&self, path: String, order: &mut HashMap<String, usize>) {
        order.insert(path.clone(), order.len());
        match &self.content {
            Content::Map(entries) => entries
                .iter()
                .for_each(|(key, value)| value.number(join(&path, key), order)),
            Content::List(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| item.number(format!("{path}[{index}]"), order));
            }
            _ => {}
        }
    }
}

/// `path.key`, or `key` at the top.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
