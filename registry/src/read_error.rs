//! The reason for a file that cannot be read, with what the administrator can do about it.

use std::io;
use std::path::Path;

/// What the system said of `path`. Who may not read it is told what would let them: root's own files are closed to the user
/// that root starts the registry as.
pub(crate) fn reason(path: &Path, source: &io::Error) -> String {
    if source.kind() != io::ErrorKind::PermissionDenied {
        return source.to_string();
    }
    let (user, path) = (rustix::process::geteuid().as_raw(), path.display());
    format!("{source}; the registry runs as user {user}: `chown {user} {path}` lets it read the file")
}
