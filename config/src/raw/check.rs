//! Which keys exist: unknown, ignored and refused ones, and sections that are none.

use super::nearest::nearest;
use super::node::{Content, Node, join};
use super::table::{Key, KeyStatus, ROOT, Shape};
use crate::diagnostics::{Diagnostic, Diagnostics};

/// Walks what the user wrote along the table of keys.
pub(crate) fn check(root: &Node, diagnostics: &Diagnostics) {
    section(root, ROOT, "", diagnostics);
}

fn section(node: &Node, keys: &'static [Key], path: &str, diagnostics: &Diagnostics) {
    let Content::Map(entries) = &node.content else {
        if !node.is_null() {
            diagnostics.mistake(not_a_section(node, keys, path));
        }
        return;
    };
    for (name, value) in entries {
        match keys.iter().find(|key| key.name == name) {
            Some(key) => known(value, key, &join(path, name), diagnostics),
            None => diagnostics.mistake(unknown(value, name, keys, path)),
        }
    }
}

fn known(value: &Node, key: &Key, path: &str, diagnostics: &Diagnostics) {
    match key.status {
        KeyStatus::Read => below(value, key, path, diagnostics),
        KeyStatus::Ignored(reason) if value.is_active() => {
            diagnostics.warning(about(value, key, path, format!("without effect: {reason}")));
        }
        KeyStatus::Refused(reason) if value.is_active() => refuse(value, key, path, reason, diagnostics),
        KeyStatus::RefusedByName(reason) => {
            diagnostics.mistake(about(value, key, path, format!("not supported: {reason}")))
        }
        KeyStatus::Ignored(_) | KeyStatus::Refused(_) => {}
    }
}

fn below(value: &Node, key: &Key, path: &str, diagnostics: &Diagnostics) {
    match (&key.shape, &value.content) {
        (Shape::Switch(_), _) if value.as_flag().is_some() => {}
        (Shape::Section(keys) | Shape::Switch(keys), _) => section(value, keys, path, diagnostics),
        (Shape::List(keys), Content::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                section(item, keys, &format!("{path}[{index}]"), diagnostics);
            }
        }
        (Shape::List(_), Content::Null) => {}
        (Shape::List(keys), _) => {
            let expected = format!("expected a list of entries with {}", names(keys));
            diagnostics.mistake(about(value, key, path, expected));
        }
        (Shape::Open(_), Content::Map(_) | Content::Null) => {}
        (Shape::Open(_), _) => {
            diagnostics.mistake(about(
                value,
                key,
                path,
                "expected names with values below, one a line".into(),
            ));
        }
        _ => {}
    }
}

/// The whole key, or in a list each entry that asks for anything.
fn refuse(value: &Node, key: &Key, path: &str, reason: &str, diagnostics: &Diagnostics) {
    let expected = || format!("not supported: {reason}");
    match &value.content {
        Content::List(items) => {
            for (index, item) in items.iter().enumerate().filter(|(_, item)| item.is_active()) {
                diagnostics.mistake(about(item, key, &format!("{path}[{index}]"), expected()));
            }
        }
        _ => diagnostics.mistake(about(value, key, path, expected())),
    }
}

/// A finding that shows a plain value; what is inside sections may be secret.
fn about(value: &Node, key: &Key, path: &str, expected: String) -> Diagnostic {
    let shown = match (&key.shape, &value.content) {
        (Shape::Secret, _) | (_, Content::Null | Content::List(_) | Content::Map(_)) => None,
        _ => Some(without_userinfo(&value.written())),
    };
    Diagnostic {
        key: path.to_owned(),
        value: shown,
        expected,
        variable: value.origin().cloned(),
    }
}

/// `https://user:password@host` without what stands before the `@`.
pub(crate) fn without_userinfo(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => format!("{}[redacted]{}", &text[..scheme + 3], &text[at..]),
        _ => text.to_owned(),
    }
}

fn unknown(value: &Node, name: &str, keys: &'static [Key], path: &str) -> Diagnostic {
    let expected = if let Some(near) = nearest(name, keys.iter().map(|key| key.name)) {
        format!("unknown key; did you mean {}?", join(path, near))
    } else if path.is_empty() && holds_a_configuration(value) {
        format!("unknown key; what is below it belongs at the top of the file, without {name}:")
    } else if let Some(known) = elsewhere(name, ROOT, "") {
        format!("unknown key; did you mean {known}?")
    } else {
        format!("unknown key; known here: {}", names(keys))
    };
    // The value is not shown: it may be a secret under a mistyped name.
    Diagnostic {
        key: join(path, name),
        value: None,
        expected,
        variable: value.origin().cloned(),
    }
}

/// Whether it is a section with keys of the top in it, as in a compose file.
fn holds_a_configuration(value: &Node) -> bool {
    ROOT.iter().any(|key| value.child(key.name).is_some())
}

/// A key of that name in another section; one that would be refused there is no help.
fn elsewhere(name: &str, keys: &'static [Key], path: &str) -> Option<String> {
    keys.iter().find_map(|key| {
        let here = join(path, key.name);
        if key.name == name && matches!(key.status, KeyStatus::Read | KeyStatus::Ignored(_)) {
            return Some(here);
        }
        // Keys of list entries have no path of their own.
        match key.shape {
            Shape::Section(below) | Shape::Switch(below) => elsewhere(name, below, &here),
            _ => None,
        }
    })
}

fn not_a_section(node: &Node, keys: &'static [Key], path: &str) -> Diagnostic {
    Diagnostic {
        key: if path.is_empty() {
            "(the file)".into()
        } else {
            path.to_owned()
        },
        value: match &node.content {
            Content::List(_) => None,
            _ => Some(without_userinfo(&node.written())),
        },
        expected: format!("expected a section with {}", names(keys)),
        variable: node.variable.clone(),
    }
}

fn names(keys: &'static [Key]) -> String {
    let names: Vec<_> = keys
        .iter()
        .filter(|key| matches!(key.status, KeyStatus::Read))
        .map(|key| key.name)
        .collect();
    names.join(", ")
}
