//! YAML text into a [`Node`].

use serde_yaml::Value;

use super::Node;

/// Why a text is not YAML, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// 1-based; 0 = unknown.
    pub(crate) line: usize,
    /// 1-based; 0 = unknown.
    pub(crate) column: usize,
    pub(crate) message: String,
}

/// Reads one YAML document into the tree of what the user wrote.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node, Fault> {
    value(bytes).map(Node::from_yaml)
}

/// Reads one YAML document. Duplicate keys are faults; `<<` merges as in YAML 1.1, which distribution's and docker_auth's
/// parsers speak.
pub(crate) fn value(bytes: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        Fault {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: before.len() - line_start + 1,
            message: "not UTF-8".into(),
        }
    })?;
    let mut value: Value = serde_yaml::from_str(text).map_err(|error| with_hint(fault(&error), text))?;
    value.apply_merge().map_err(|error| fault(&error))?;
    Ok(value)
}

fn fault(error: &serde_yaml::Error) -> Fault {
    let (line, column) = error
        .location()
        .map_or((0, 0), |location| (location.line(), location.column()));
    let message = error.to_string();
    // The place is told apart from the message, not twice.
    let place = format!(" at line {line} column {column}");
    let message = if line > 0 {
        message.replacen(&place, "", 1)
    } else {
        message
    };
    Fault { line, column, message }
}

/// The parser's words for a tab say nothing of one.
fn with_hint(mut fault: Fault, text: &str) -> Fault {
    let line = text.lines().nth(fault.line.saturating_sub(1)).unwrap_or_default();
    if line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t') {
        fault.message = "indented with a tab; YAML takes blanks".into();
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &[u8]) -> Fault {
        match parse(text) {
            Ok(_) => panic!("parsed"),
            Err(fault) => fault,
        }
    }

    #[test]
    fn faults_have_a_place() {
        let fault = fault_of(b"version: 0.1\nlog:\n  level: info\n }\n");
        assert_eq!((fault.line, fault.column > 0), (4, true), "{fault:?}");
        assert!(!fault.message.contains("line 4"), "{fault:?}");

        let fault = fault_of(b"log:\n  level: info\n  level: debug\n");
        assert!(
            fault.message.contains("duplicate") && fault.message.contains("level"),
            "{fault:?}"
        );
        assert!(fault.line > 0, "{fault:?}");

        let fault = fault_of(b"log:\n\tlevel: info\n");
        assert_eq!(fault.line, 2, "{fault:?}");
        assert!(fault.message.contains("tab"), "{fault:?}");

        let fault = fault_of(b"log:\n  level: \xff\n");
        assert_eq!((fault.line, fault.column), (2, 10));
    }

    #[test]
    fn anchors_merge() {
        let node = parse(b"a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n").unwrap_or_else(|fault| panic!("{fault:?}"));
        assert!(node.child("b").unwrap().child("x").is_some());
    }
}
