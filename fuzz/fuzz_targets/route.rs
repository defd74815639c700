//! Any request line: `METHOD target`, the target with or without a query.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::route;

fuzz_target!(|line: &str| {
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    if let Some(repository) = route(method, path, query) {
        // What is routed names a repository, and nothing outside the tree.
        assert!(
            repository
                .as_str()
                .split('/')
                .all(|component| !matches!(component, "" | "." | ".."))
        );
        assert!(!repository.as_str().contains(['\0', '\\', '%']));
    }
});
