//! The table of `docs/guide/patterns.md`, row by row.

use lockgate_config::{Expressions, FilterPattern, PolicyPattern, RulePattern};

/// What the table's text says of the request.
fn value(variable: &str) -> Option<String> {
    match variable {
        "account" => Some("anna".to_owned()),
        "labels:group" => Some("team".to_owned()),
        _ => None,
    }
}

fn answer(matches: Option<bool>) -> &'static str {
    match matches {
        None => "refused",
        Some(true) => "yes",
        Some(false) => "no",
    }
}

/// The cells of a row; `\|` is a `|` that is none of the table's.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\0");
    let cells = row.trim().trim_matches('|').split('|');
    cells
        .map(|cell| cell.trim().trim_matches('`').replace('\0', "|"))
        .collect()
}

#[test]
fn every_row_of_the_guide_is_as_it_says() {
    let guide = include_str!("../../../docs/guide/patterns.md");
    let mut rows = guide.lines().filter(|line| line.starts_with('|')).map(cells);
    assert_eq!(rows.next().unwrap(), ["pattern", "name", "rule", "policy", "filter"]);
    assert!(rows.next().unwrap()[0].starts_with("---"));
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 30, "{}", rows.len());
    let expressions = Expressions::default();
    for row in rows {
        let [pattern, name, rule, policy, filter] = row.as_slice() else {
            panic!("{row:?}");
        };
        let rules = pattern.parse::<RulePattern>().ok();
        let policies = pattern.parse::<PolicyPattern>().ok();
        let filters = pattern.parse::<FilterPattern>().ok();
        let found = [
            answer(rules.map(|rule| rule.matches(name, &expressions, value))),
            answer(policies.map(|policy| policy.matches(name))),
            answer(filters.map(|filter| filter.matches(name))),
        ];
        assert_eq!(found, [rule, policy, filter], "{pattern} {name}");
    }
}
