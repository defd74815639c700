//! Which file of a crate imports which, and the same between its folders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::tree::Tree;

/// From each name to those that it imports; names that import nothing are there too.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

/// Between the files below `src`, named relative to it. Another crate of ours counts as one file, `lockgate_name`.
pub(super) fn files(src: &Path) -> Graph {
    let tree = Tree::read(src);
    let mut graph = Graph::new();
    for (index, module) in tree.modules.iter().enumerate() {
        let imports = graph.entry(module.file.display().to_string()).or_default();
        let globs = module.globs.iter();
        for path in module.uses.values().chain(&module.paths).chain(globs) {
            imports.extend(path.first().filter(|name| name.starts_with("lockgate_")).cloned());
            if let Some(file) = tree.file_of(index, path).filter(|file| *file != module.file) {
                imports.insert(file.display().to_string());
            }
        }
    }
    graph
}

/// Between the rooms of a crate: the folders and files directly below `src`. Its root, which imports all, is none, and a
/// crate without folders has none.
pub(super) fn rooms(files: &Graph) -> Graph {
    let mut graph = Graph::new();
    if !files.keys().any(|file| file.contains('/')) {
        return graph;
    }
    for (file, imports) in files {
        let Some(from) = room(file) else { continue };
        let rooms = graph.entry(from.to_owned()).or_default();
        rooms.extend(
            imports
                .iter()
                .filter_map(|file| room(file))
                .filter(|to| *to != from)
                .map(str::to_owned),
        );
    }
    graph
}

/// The folder below `src` that `file` is in, or its own name where it is in none.
fn room(file: &str) -> Option<&str> {
    match file.split_once('/') {
        Some((folder, _)) => Some(folder),
        None => Some(file.trim_end_matches(".rs")).filter(|name| !["lib", "main"].contains(name)),
    }
}

/// The names that can reach each other, group by group.
pub(super) fn circles(graph: &Graph) -> Vec<Vec<&str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|name| (name.as_str(), reached(graph, name))).collect();
    let mut groups: BTreeSet<Vec<&str>> = BTreeSet::new();
    for (name, reached) in &reach {
        let back = |other: &&&str| reach.get(**other).is_some_and(|theirs| theirs.contains(name));
        let group: Vec<&str> = reached.iter().filter(back).copied().collect();
        if !group.is_empty() && group.contains(name) {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn reached<'graph>(graph: &'graph Graph, from: &str) -> BTreeSet<&'graph str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = graph.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(graph.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

#[test]
fn imports_are_found_however_they_are_written() {
    let src = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(src.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(src.path().join(name), text).unwrap();
    };
    write("lib.rs", "mod a; mod b; mod c;");
    // Through what a mod.rs hands on, in a macro, and in a path alone.
    write("a/mod.rs", "mod one; mod two; pub(crate) use one::One;");
    write(
        "a/one.rs",
        "pub(crate) struct One; fn f() { println!(\"{}\", super::two::TWO); }",
    );
    write(
        "a/two.rs",
        "pub(crate) const TWO: u8 = crate::b::B; #[cfg(test)] mod tests { use crate::c::C; }",
    );
    write(
        "b.rs",
        "use crate::a::One; use lockgate_wire::Origin; pub(crate) const B: u8 = 1;",
    );
    write("c.rs", "// use crate::a::One;\npub(crate) struct C;");

    let files = files(src.path());
    let imports = |file: &str| files[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(imports("a/mod.rs"), ["a/one.rs"]);
    assert_eq!(imports("a/one.rs"), ["a/two.rs"]);
    assert_eq!(imports("a/two.rs"), ["b.rs"]);
    assert_eq!(imports("b.rs"), ["a/one.rs", "lockgate_wire"]);
    assert_eq!(imports("c.rs"), Vec::<&str>::new());
    assert_eq!(circles(&files), [["a/one.rs", "a/two.rs", "b.rs"]]);
    assert_eq!(circles(&rooms(&files)), [["a", "b"]]);
}
