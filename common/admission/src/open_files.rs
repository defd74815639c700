//! What the system lets this process open, which bounds connections and requests too.

use rustix::process::{Resource, getrlimit};

/// How many files and connections this process may have open: the soft `RLIMIT_NOFILE`.
pub fn open_file_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}
