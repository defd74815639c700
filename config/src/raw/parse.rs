//! YAML text into a [`Node`].

use serde::Deserialize;
use serde_yaml::{Deserializer, Value};

use super::node::Node;
use super::syntax_error::{self, SyntaxError};
use super::text;

/// Reads one YAML document into the tree of what the user wrote.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node, SyntaxError> {
    value(bytes).map(Node::from_yaml)
}

/// Reads one YAML document. Duplicate keys are faults; `<<` merges as in YAML 1.1, which distribution's and docker_auth's
/// parsers speak.
pub(crate) fn value(bytes: &[u8]) -> Result<Value, SyntaxError> {
    let text = text::decode(bytes).map_err(|error| SyntaxError {
        line: error.line,
        column: error.column,
        message: error.message,
    })?;
    let mut value = document(text)?;
    value.apply_merge().map_err(|error| syntax_error::of(&error, text))?;
    Ok(value)
}

/// The one document that holds anything: a `---` at the end begins another one, which is empty.
fn document(text: &str) -> Result<Value, SyntaxError> {
    let mut found = Value::Null;
    for (number, document) in Deserializer::from_str(text).enumerate() {
        let next = Value::deserialize(document).map_err(|error| syntax_error::of(&error, text))?;
        match (&found, &next) {
            (Value::Null, _) => found = next,
            (_, Value::Null) => {}
            _ => return Err(syntax_error::second_document(text, number)),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &[u8]) -> SyntaxError {
        match parse(text) {
            Ok(_) => panic!("parsed"),
            Err(error) => error,
        }
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let error = error_of(b"version: 0.1\nlog:\n  level: info\n }\n");
        assert_eq!((error.line, error.column > 0), (4, true), "{error:?}");
        assert!(!error.message.contains("line 4"), "{error:?}");

        let error = error_of(b"log:\n  level: \xff\n");
        assert_eq!((error.line, error.column), (2, 10));
    }

    #[test]
    fn anchors_merge() {
        let node = parse(b"a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n").unwrap_or_else(|error| panic!("{error:?}"));
        assert!(node.child("b").unwrap().child("x").is_some());
    }

    #[test]
    fn a_mark_and_empty_documents_beside_the_one_do_no_harm() {
        for text in [
            "\u{feff}a: 1\n",
            "\u{feff}---\na: 1\n",
            "\u{feff}# by hand\na: 1\n",
            "a: 1\n---",
            "a: 1\n---\n",
            "---\na: 1\n---\n# the end\n",
            "---\n---\na: 1\n...\n",
            "---\r\na: 1\r\n---\r\n",
        ] {
            let node = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
            assert_eq!(node.child("a").map(Node::written).as_deref(), Some("1"), "{text:?}");
        }
    }

    #[test]
    fn two_documents_are_refused_at_the_second() {
        let error = error_of(b"a: 1\n---\nb: 2\n");
        assert_eq!(error.line, 2, "{error:?}");
        assert!(error.message.contains("second document"), "{error:?}");
        let error = error_of(b"# first\n---\na: 1\n---\nb: 2\n");
        assert_eq!(error.line, 4, "{error:?}");
        // What follows is not read, and it is not skipped over either.
        assert!(error_of(b"a: 1\n---\nb: [\n").line > 2);
    }
}
