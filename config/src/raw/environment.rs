//! `REGISTRY_*` variables over the file, by the rules of distribution's `configuration/parser.go`: the name's parts
//! are key names or Go field names, the value is YAML, parents come before children, lists go by index.

use std::cmp::Ordering;

use serde_yaml::Value;

use super::nearest::nearest;
use super::node::{Content, Node};
use super::precedence::{keep_closed, keep_storage};
use super::table::{Key, ROOT, Shape};
use crate::diagnostics::{Diagnostic, Diagnostics};

const PREFIX: &str = "REGISTRY_";

/// Variables of that prefix that name no key: where the file is (distribution's `serve` reads it), and the format's
/// version, which distribution does not let a variable change either.
const NOT_KEYS: [&str; 2] = ["REGISTRY_CONFIGURATION_PATH", "REGISTRY_VERSION"];

/// Lays the variables over `root`. One that fits no key is a warning: Kubernetes sets `REGISTRY_PORT` and the like for
/// any service named `registry`. Gives the names of those that are in force.
pub(crate) fn override_from(
    environment: &[(String, String)],
    root: &mut Node,
    diagnostics: &Diagnostics,
) -> Vec<String> {
    normalise(root);
    let file = root.clone();
    let mut variables: Vec<_> = environment
        .iter()
        .filter(|(name, _)| !NOT_KEYS.contains(&name.as_str()))
        .filter_map(|(name, value)| {
            let path: Vec<_> = name.strip_prefix(PREFIX)?.split('_').collect();
            Some((path, Variable { name, value }))
        })
        .collect();
    variables.sort_by(|(a, _), (b, _)| parents_first(a, b));
    if root.is_null() && !variables.is_empty() {
        *root = Node::empty_map();
    }
    let mut in_force = Vec::new();
    for (path, variable) in variables {
        if says_nothing(&path, &variable) {
            diagnostics.warning(empty(&variable));
            continue;
        }
        match section(root, ROOT, &path, &variable) {
            Ok(()) => {
                normalise(root);
                in_force.push(variable.name.to_owned());
            }
            Err(Misfit::NoKey(suggestion)) => {
                diagnostics.warning(no_key(&variable, below_another(&path).or(suggestion)));
            }
            Err(Misfit::NoEntry(expected)) => diagnostics.mistake(Diagnostic {
                key: variable.name.to_owned(),
                value: None,
                expected,
                variable: Some(variable.name.to_owned()),
            }),
        }
    }
    keep_closed(&file, root);
    if environment
        .iter()
        .any(|(name, value)| name == "REGISTRY_STORAGE" && value.trim() == "filesystem")
    {
        keep_storage(&file, root);
    }
    in_force
}

/// Whether the variable is empty where that would take away what keeps people out, or a whole section. A compose file
/// leaves variables empty that its own environment does not have.
fn says_nothing(path: &[&str], variable: &Variable<'_>) -> bool {
    let is_null = matches!(serde_yaml::from_str(variable.value), Ok(Value::Null));
    let guards = match path {
        [first, ..] if first.eq_ignore_ascii_case("auth") => true,
        [first, second, ..] => first.eq_ignore_ascii_case("http") && second.eq_ignore_ascii_case("tls"),
        _ => false,
    };
    let is_section = || {
        let shape = shape_at(ROOT, path);
        shape.is_some_and(|shape| !matches!(shape, Shape::Text | Shape::Secret | Shape::Scalar | Shape::Texts))
    };
    is_null && (guards || is_section())
}

fn shape_at(keys: &'static [Key], path: &[&str]) -> Option<&'static Shape> {
    let (part, rest) = path.split_first()?;
    let key = keys.iter().find(|key| key.answers_to(part))?;
    match rest {
        [] => Some(&key.shape),
        _ => shape_at(key.shape.keys()?, rest),
    }
}

struct Variable<'a> {
    name: &'a str,
    value: &'a str,
}

enum Misfit {
    /// Names no key; perhaps this one was meant.
    NoKey(Option<String>),
    /// Names an entry that a list cannot have.
    NoEntry(String),
}

/// Numbers by value, so that entry 10 follows entry 9; a parent before what is below it.
fn parents_first(a: &[&str], b: &[&str]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| match (a.parse::<usize>(), b.parse::<usize>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// `storage: filesystem` and `auth: htpasswd` are short for a section of that name with nothing in it.
fn normalise(root: &mut Node) {
    let Content::Map(entries) = &mut root.content else {
        return;
    };
    for (name, node) in entries {
        let Content::Text(text) = &node.content else { continue };
        if (name == "storage" || name == "auth") && !text.is_empty() {
            let below = Node {
                content: Content::Map(Vec::new()),
                variable: node.variable.clone(),
            };
            node.content = Content::Map(vec![(text.clone(), below)]);
        }
    }
}

fn section(node: &mut Node, keys: &'static [Key], path: &[&str], variable: &Variable<'_>) -> Result<(), Misfit> {
    let (part, rest) = path.split_first().ok_or(Misfit::NoKey(None))?;
    let Some(key) = keys.iter().find(|key| key.answers_to(part)) else {
        return Err(Misfit::NoKey(suggestion(part, rest, keys, variable)));
    };
    if !rest.is_empty() && !can_hold(&key.shape) {
        return Err(Misfit::NoKey(None));
    }
    // A value that is no section is reported by the check that follows.
    let Some(child) = entry(node, key.name) else {
        return Ok(());
    };
    descend(child, &key.shape, rest, variable)
}

fn descend(node: &mut Node, shape: &Shape, path: &[&str], variable: &Variable<'_>) -> Result<(), Misfit> {
    let Some((part, rest)) = path.split_first() else {
        *node = parse(variable.value, shape).set_by(variable.name);
        return Ok(());
    };
    match shape {
        Shape::Section(keys) => section(node, keys, path, variable),
        Shape::Switch(keys) => {
            if matches!(node.content, Content::Flag(_)) {
                node.content = Content::Map(Vec::new());
            }
            section(node, keys, path, variable)
        }
        Shape::List(keys) => descend(item(node, part)?, &Shape::Section(keys), rest, variable),
        Shape::Texts if rest.is_empty() => descend(item(node, part)?, &Shape::Text, rest, variable),
        Shape::Open(below) => match named(node, part) {
            Some(child) => descend(child, below, rest, variable),
            None => Ok(()),
        },
        Shape::Any => match named(node, part) {
            Some(child) => descend(child, &Shape::Any, rest, variable),
            None => Ok(()),
        },
        Shape::Text | Shape::Secret | Shape::Scalar | Shape::Texts => Err(Misfit::NoKey(None)),
    }
}

/// Whether anything can stand below.
fn can_hold(shape: &Shape) -> bool {
    !matches!(shape, Shape::Text | Shape::Secret | Shape::Scalar)
}

/// The entry `key` of a section, made when missing; `None` when `node` is no section.
fn entry<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    if node.is_null() {
        node.content = Content::Map(Vec::new());
    }
    let Content::Map(entries) = &mut node.content else {
        return None;
    };
    let index = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
        entries.push((key.to_owned(), Node::new(Content::Null)));
        entries.len() - 1
    });
    Some(&mut entries[index].1)
}

/// The entry of a map of the user's own names, found in any case, made in lower case.
fn named<'a>(node: &'a mut Node, part: &str) -> Option<&'a mut Node> {
    let existing = match &node.content {
        Content::Map(entries) => entries
            .iter()
            .map(|(name, _)| name)
            .find(|name| name.eq_ignore_ascii_case(part)),
        _ => None,
    };
    let name = existing.cloned().unwrap_or_else(|| part.to_lowercase());
    entry(node, &name)
}

/// The entry of a list: an existing one, or the one after the last.
fn item<'a>(node: &'a mut Node, part: &str) -> Result<&'a mut Node, Misfit> {
    let index: usize = part.parse().map_err(|_| Misfit::NoKey(None))?;
    if !matches!(node.content, Content::List(_)) {
        let first = std::mem::replace(&mut node.content, Content::Null);
        let variable = node.variable.take();
        node.content = Content::List(match first {
            Content::Null => Vec::new(),
            content => vec![Node { content, variable }],
        });
    }
    let Content::List(items) = &mut node.content else {
        return Err(Misfit::NoKey(None));
    };
    if index > items.len() {
        return Err(Misfit::NoEntry(format!(
            "expected an index of 0 to {}: the list has {0} entries",
            items.len()
        )));
    }
    if index == items.len() {
        items.push(Node::new(Content::Null));
    }
    Ok(&mut items[index])
}

/// The value as YAML. Where a text is expected, what is no YAML text is taken literally: `[::]:443`, `007`, `@secret`.
fn parse(text: &str, shape: &Shape) -> Node {
    let literal = || Node::new(Content::Text(text.to_owned()));
    match (shape, serde_yaml::from_str::<Value>(text)) {
        (_, Err(_)) => literal(),
        (_, Ok(Value::Null)) => Node::new(Content::Null),
        (Shape::Text | Shape::Secret, Ok(Value::String(inner))) => Node::new(Content::Text(inner)),
        (Shape::Text | Shape::Secret, Ok(_)) => Node::new(Content::Text(text.trim().to_owned())),
        (_, Ok(value)) => Node::from_yaml(value),
    }
}

/// `REGISTRY_HTTP_AUTH_HTPASSWD_PATH`: a key of the top with its section, below another section.
fn below_another(path: &[&str]) -> Option<String> {
    let mut tails = (1..path.len().saturating_sub(1)).map(|start| &path[start..]);
    tails
        .find(|tail| is_key(ROOT, tail))
        .map(|tail| format!("{PREFIX}{}", tail.join("_")))
}

fn is_key(keys: &'static [Key], path: &[&str]) -> bool {
    let Some((part, rest)) = path.split_first() else {
        return true;
    };
    let Some(key) = keys.iter().find(|key| key.answers_to(part)) else {
        return false;
    };
    match key.shape {
        Shape::Section(below) | Shape::Switch(below) => is_key(below, rest),
        Shape::List(below) => rest.is_empty() || rest[0].parse::<usize>().is_ok() && is_key(below, &rest[1..]),
        Shape::Open(_) | Shape::Any => true,
        Shape::Texts => rest.len() < 2 && rest.iter().all(|part| part.parse::<usize>().is_ok()),
        Shape::Text | Shape::Secret | Shape::Scalar => rest.is_empty(),
    }
}

fn suggestion(part: &str, rest: &[&str], keys: &'static [Key], variable: &Variable<'_>) -> Option<String> {
    let near = nearest(part, keys.iter().map(|key| key.name))?;
    let tail: usize = rest.iter().map(|part| part.len() + 1).sum();
    let (head, tail) = variable.name.split_at(variable.name.len() - tail);
    let head = head.strip_suffix(part)?;
    Some(format!("{head}{}{tail}", near.to_uppercase()))
}

fn empty(variable: &Variable<'_>) -> Diagnostic {
    let name = variable.name.to_owned();
    Diagnostic {
        key: name.clone(),
        value: None,
        expected: "ignored, it is empty: what the file says stays in force".into(),
        variable: Some(name),
    }
}

fn no_key(variable: &Variable<'_>, suggestion: Option<String>) -> Diagnostic {
    let expected = match suggestion {
        Some(meant) => format!("ignored, it names no key; did you mean {meant}?"),
        None => "ignored, it names no key (Kubernetes sets such variables for a service named registry)".into(),
    };
    let name = variable.name.to_owned();
    Diagnostic {
        key: name.clone(),
        value: None,
        expected,
        variable: Some(name),
    }
}
