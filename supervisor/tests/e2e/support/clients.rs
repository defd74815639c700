//! Which programs are here.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The first of `candidates` that exists: a path as it is, a bare name on `PATH` and in the system's directories.
pub(crate) fn find(candidates: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .collect();
    candidates
        .iter()
        .find_map(|candidate| match Path::new(candidate).is_absolute() {
            true => Some(PathBuf::from(candidate)).filter(|file| file.is_file()),
            false => directories
                .iter()
                .map(|directory| directory.join(candidate))
                .find(|file| file.is_file()),
        })
}

/// A client that `.ci/run` builds; `None`, said loudly, where it has not been built.
pub(crate) fn built(program: &str) -> Option<PathBuf> {
    let file = built_directory()?.join(program);
    (file.is_file() || missing(&format!("{program} is not built"))).then_some(file)
}

/// Where `.ci/run` keeps what it builds.
pub(crate) fn built_directory() -> Option<PathBuf> {
    let named = std::env::var_os("LOCKGATE_ENGINE_DIR").map(PathBuf::from);
    let cache = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        Some(cache.join("lockgate-ci/bin"))
    };
    named.or_else(cache)
}

/// Whether all of `programs` are here. A missing one is named loudly; with `CI=true` it fails the test.
pub(crate) fn require(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        find(&[program]).is_some() || missing(&format!("{program} is not here, `bash .ci/run` installs it"))
    })
}

/// Says that the test cannot be run and why; false, so that callers can return. With `CI=true` it fails the test.
pub(crate) fn missing(why: &str) -> bool {
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "{why}; `bash .ci/run` installs what the tests need"
    );
    say(&format!("SKIPPED: {why}; `bash .ci/run` installs what the tests need"));
    false
}

/// Prints a line that the test runner does not swallow when the test passes.
pub(crate) fn say(line: &str) {
    let test = std::thread::current();
    let _ = writeln!(std::io::stderr(), "{}: {line}", test.name().unwrap_or("e2e"));
}
