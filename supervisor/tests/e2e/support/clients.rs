//! Which programs are here, besides those that `lockgate_testkit::require` asks for.

use std::path::{Path, PathBuf};

use lockgate_testkit::{missing, on_path};

/// The first of `candidates` that exists: a path as it is, a bare name on `PATH`.
pub(crate) fn find(candidates: &[&str]) -> Option<PathBuf> {
    candidates
        .iter()
        .find_map(|candidate| match Path::new(candidate).is_absolute() {
            true => Some(PathBuf::from(candidate)).filter(|file| file.is_file()),
            false => on_path(candidate),
        })
}

/// A client that `.ci/run` builds; `None`, said loudly, where it has not been built.
pub(crate) fn built(program: &str) -> Option<PathBuf> {
    let file = built_directory()?.join(program);
    (file.is_file() || missing(program, "bash .ci/run")).then_some(file)
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
