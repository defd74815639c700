//! Directories through which one of the two processes gets to its files, and that it cannot list or write.

use std::io;
use std::path::Path;

use lockgate_files::{Modes, UidGid, WriteError, make_directory, set_owner_and_mode};
use nix::unistd::geteuid;

/// Who knows the name of a file opens it, if it is theirs.
pub(crate) const ENTERED: u32 = 0o710;

/// A directory, and the one that it is in: the group enters both, and the present user alone writes.
pub(crate) fn make_directories(directory: &Path, group: u32) -> Result<(), WriteError> {
    let present = UidGid {
        uid: geteuid().as_raw(),
        gid: group,
    };
    let make = |directory: &Path| -> io::Result<()> {
        make_directory(directory, ENTERED, Modes::Required)?;
        set_owner_and_mode(directory, present, ENTERED)
    };
    let above = directory.parent().filter(|above| !above.exists());
    for directory in above.into_iter().chain([directory]) {
        make(directory).map_err(|source| WriteError::Io {
            path: directory.to_owned(),
            source,
        })?;
    }
    Ok(())
}
