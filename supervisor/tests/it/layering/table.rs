//! The table in docs/ARCHITECTURE.md that says what each folder may import.

use std::collections::BTreeSet;

use super::graph::Graph;

const HEADING: &str = "## What each folder may import";

/// Reads `text`: below the heading, indented lines `crate/folder  folder, folder` until the next heading.
pub(super) fn read(text: &str) -> Graph {
    let section = text.split(HEADING).nth(1).expect("the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut table = Graph::new();
    for line in section.lines().filter(|line| line.starts_with("    ")) {
        let (folder, imports) = line
            .trim()
            .split_once("  ")
            .unwrap_or_else(|| panic!("no imports in: {line}"));
        let imports: BTreeSet<String> = match imports.trim() {
            "nothing" => BTreeSet::new(),
            names => names.split(", ").map(str::to_owned).collect(),
        };
        let twice = table.insert(folder.to_owned(), imports).is_some();
        assert!(!twice, "{folder} has two lines");
    }
    table
}

/// The lines that `read` would read as `rooms`, for whoever has to correct the table.
pub(super) fn write(rooms: &Graph) -> String {
    let width = rooms.keys().map(String::len).max().unwrap_or_default() + 2;
    let line = |(folder, imports): (&String, &BTreeSet<String>)| {
        let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
        let imports = if imports.is_empty() {
            "nothing".to_owned()
        } else {
            imports.join(", ")
        };
        format!("    {folder:width$}{imports}\n")
    };
    rooms.iter().map(line).collect()
}

#[test]
fn a_table_is_read_as_it_is_written() {
    let text = "# A\n\n## What each folder may import\n\nWords.\n\n    a/one  three, two\n    a/two  nothing\n\n## Next\n\n    a/b  c\n";
    let table = read(text);
    assert_eq!(write(&table), "    a/one  three, two\n    a/two  nothing\n");
}
