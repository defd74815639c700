//! What README, the guide and `lockgate --help` promise each other.

use std::path::{Path, PathBuf};

use crate::harness::Workdir;

/// README is for people in a hurry; the guide is for the rest.
const LONGEST_README: usize = 120;
const LONGEST_CHANGELOG: usize = 60;

/// What a newcomer and outside checks type first, in this order.
const FIRST_COMMANDS: [&str; 2] = ["cargo run --release -- start", "cargo test --workspace"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Markdown files directly in `folder`, which is relative to the repository.
fn pages(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

/// The names of the guide's pages, without `.md`.
fn guide() -> Vec<String> {
    let names = pages("docs/guide").into_iter();
    names
        .map(|page| page.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

/// Lines that show neither commands nor configuration, which are indented by four spaces.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with("    "))
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<&str> {
    let after_brackets = prose(text).flat_map(|line| line.split("](").skip(1));
    after_brackets.filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors of the headings, as GitHub makes them: lower case, no punctuation, hyphens for blanks.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Why `link` on `page` leads nowhere, if it does.
fn dead(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_owned(),
        path => page.parent().unwrap().join(path),
    };
    if !target.exists() {
        return Some(format!("{}: {link}: no such file", page.display()));
    }
    let leads = anchor.is_empty() || anchors(&read(&target)).iter().any(|known| known == anchor);
    (!leads).then(|| format!("{}: {link}: no such heading", page.display()))
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let folders = [".", "docs", "docs/guide", "bench"];
    let mut count = 0;
    let mut dead_links = Vec::new();
    for page in folders.iter().flat_map(|folder| pages(folder)) {
        let text = read(&page);
        let links = links(&text);
        count += links.len();
        dead_links.extend(links.into_iter().filter_map(|link| dead(&page, link)));
    }
    assert!(dead_links.is_empty(), "{}", dead_links.join("\n"));
    assert!(count > 30, "only {count} links were found");
}

#[test]
fn readme_is_short_and_begins_with_the_two_commands() {
    let readme = read(&root().join("README.md"));
    let lines = readme.lines().count();
    assert!(lines <= LONGEST_README, "README.md has {lines} lines");
    let commands = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let first: Vec<_> = commands
        .map(|line| line.split("  #").next().unwrap_or(line).trim_end())
        .take(FIRST_COMMANDS.len())
        .collect();
    assert_eq!(first, FIRST_COMMANDS);
}

#[test]
fn the_changelog_is_short_and_tells_what_is_unreleased() {
    let changelog = read(&root().join("CHANGELOG.md"));
    let lines = changelog.lines().count();
    assert!(lines <= LONGEST_CHANGELOG, "CHANGELOG.md has {lines} lines");
    assert!(changelog.contains("\n## [Unreleased]\n"), "{changelog}");
}

#[test]
fn readme_and_help_name_every_page_of_the_guide() {
    let readme = read(&root().join("README.md"));
    let linked = links(&readme);
    let help = Workdir::new().run(&["--help"]).expect(0).stdout;
    let named: Vec<_> = help.split(|c: char| !(c.is_alphanumeric() || c == '-')).collect();
    assert!(help.contains("docs/guide/"), "{help}");
    let guide = guide();
    assert!(guide.len() >= 10, "{guide:?}");
    for page in guide {
        assert!(linked.contains(&&*format!("docs/guide/{page}.md")), "README: {page}");
        assert!(named.contains(&&*page), "{page} is not in: {help}");
    }
}

#[test]
fn dead_links_are_found() {
    let readme = root().join("README.md");
    let text = "a [b](c.md) [d](https://e)\n    [command](x)\n## What is where?\n";
    assert_eq!(links(text), ["c.md", "https://e"]);
    assert_eq!(anchors(text), ["what-is-where"]);
    for (link, is_dead) in [
        ("docs/SECURITY.md", false),
        ("docs/SECURITY.md#reporting", false),
        ("https://example.com/x", false),
        ("docs/SECURITY.md#nowhere", true),
        ("docs/NOWHERE.md", true),
    ] {
        assert_eq!(dead(&readme, link).is_some(), is_dead, "{link}");
    }
}
