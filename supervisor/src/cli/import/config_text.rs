//! Rules put into the text of a config.yml, of which nothing else changes.

use std::collections::BTreeMap;

use serde_json::json;

/// There is no line `auth:` that more lines could follow; the lines are given.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no line `auth:` to put the rules below; write them into it by hand:\n{0}")]
pub(super) struct NoPlace(String);

/// `config` with `acl`, one rule a line, and `groups` below its `auth:`.
pub(super) fn with_rules(
    config: &str,
    acl: &[String],
    groups: &BTreeMap<String, Vec<String>>,
) -> Result<String, NoPlace> {
    let lines: Vec<_> = config.lines().collect();
    let Some(auth) = lines.iter().position(|line| is_auth(line)) else {
        return Err(NoPlace(below_auth("  ", acl, groups)));
    };
    let added = below_auth(&indentation(&lines[auth + 1..]), acl, groups);
    let mut text = String::with_capacity(config.len() + added.len());
    for (number, line) in lines.iter().enumerate() {
        text.push_str(line);
        text.push('\n');
        if number == auth {
            text.push_str(&added);
        }
    }
    Ok(text)
}

fn is_auth(line: &str) -> bool {
    let rest = line.strip_prefix("auth:").map(str::trim_start);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

/// That of the first line below, so that all are of one section.
fn indentation(below: &[&str]) -> String {
    let content = |line: &&&str| !line.trim_start().is_empty() && !line.trim_start().starts_with('#');
    let first = below.iter().find(content).copied().unwrap_or_default();
    let indentation = &first[..first.len() - first.trim_start().len()];
    match indentation {
        "" => "  ".to_owned(),
        indentation => indentation.to_owned(),
    }
}

/// JSON is YAML, and takes one line.
fn below_auth(indentation: &str, acl: &[String], groups: &BTreeMap<String, Vec<String>>) -> String {
    let mut lines = match acl {
        [] => format!("{indentation}acl: []\n"),
        acl => {
            let rules: String = acl.iter().map(|rule| format!("{indentation}  - {rule}\n")).collect();
            format!("{indentation}acl:\n{rules}")
        }
    };
    if !groups.is_empty() {
        lines.push_str(&format!("{indentation}groups:\n"));
    }
    for (name, accounts) in groups {
        let (name, accounts) = (json!(name), json!(accounts));
        lines.push_str(&format!("{indentation}  {name}: {accounts}\n"));
    }
    lines.chars().map(printable).collect()
}

/// JSON leaves these as they are; YAML would take some for the end of a line.
fn printable(c: char) -> String {
    match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => format!("\\u{:04x}", u32::from(c)),
        c => c.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> (Vec<String>, BTreeMap<String, Vec<String>>) {
        let rule = r#"{"match":{"name":"a"},"actions":["pull"]}"#;
        (
            vec![rule.to_owned()],
            BTreeMap::from([("a:b".to_owned(), vec!["x".to_owned(), String::new()])]),
        )
    }

    #[test]
    fn rules_go_below_auth_and_nothing_else_moves() {
        let (acl, groups) = rules();
        for indentation in ["  ", "    ", " "] {
            let below = format!("{indentation}htpasswd: {{path: p}}\n");
            let config = format!("version: 0.1\nauth:   # who may log in\n# x\n\n{below}http: {{addr: ':5000'}}\n");
            let text = with_rules(&config, &acl, &groups).unwrap();
            let kept: String = text
                .lines()
                .filter(|line| config.lines().any(|old| old == *line))
                .map(|line| format!("{line}\n"))
                .collect();
            assert_eq!(kept, config);
            let value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
            assert_eq!(value["auth"]["acl"][0]["actions"][0], "pull");
            assert_eq!(value["auth"]["groups"]["a:b"][1], "");
            assert_eq!(value["auth"]["htpasswd"]["path"], "p");
        }
    }

    #[test]
    fn signs_that_end_a_line_in_yaml_alone_stay_in_their_text() {
        let odd = "x\u{85}y\u{2028}z\u{2029}\u{feff}\u{7f}\u{9f}\u{a0}\u{fffd}\u{1f600}";
        let rule = format!("{{match: {{account: {}}}, actions: [pull]}}", json!(odd));
        let groups = BTreeMap::from([(odd.to_owned(), vec![odd.to_owned()])]);
        let text = with_rules("auth:\n", &[rule], &groups).unwrap();
        let value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(value["auth"]["acl"][0]["match"]["account"], odd);
        assert_eq!(value["auth"]["groups"][odd][0], odd);
    }

    #[test]
    fn no_rules_are_written_too() {
        let text = with_rules("auth:\n", &[], &BTreeMap::new()).unwrap();
        assert_eq!(text, "auth:\n  acl: []\n");
    }

    #[test]
    fn without_a_place_the_lines_are_given() {
        let (acl, groups) = rules();
        for config in ["auth: {htpasswd: {}}\n", "version: 0.1\n", "auth: htpasswd\n"] {
            let error = with_rules(config, &acl, &groups).unwrap_err().to_string();
            assert!(error.contains("by hand:\n  acl:\n    - {\"match\""), "{error}");
        }
    }
}
