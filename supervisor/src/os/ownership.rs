//! Owner and mode of files that are there, changed so that nobody can put a link in the way.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use lockgate_certs::files::{Owner, WriteError};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

/// Who knows the name of a file opens it, if it is theirs.
pub(crate) const ENTERED: u32 = 0o710;

/// Through a descriptor: whoever owned the tree may put a link in the way meanwhile.
pub(crate) fn change(path: &Path, owner: Owner, mode: u32) -> io::Result<()> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = File::options().read(true).custom_flags(flags.bits()).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(errno) if errno == Errno::ELOOP as i32 => io::Error::other("is a link; put what it leads to here"),
        _ => error,
    })?;
    let found = file.metadata()?;
    if found.is_file() && found.nlink() > 1 {
        return Err(io::Error::other("has a second name elsewhere, and is left as it is"));
    }
    // Before the owner: for a file of its own the supervisor needs no capability.
    if found.mode() & 0o7777 != mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    if (found.uid(), found.gid()) != (owner.user, owner.group) {
        fchown(&file, Some(owner.user), Some(owner.group))?;
    }
    Ok(())
}

/// A directory, and the one that it is in: the group enters both, and the present user alone writes.
pub(crate) fn make_directories(directory: &Path, group: u32) -> Result<(), WriteError> {
    let present = Owner {
        user: geteuid().as_raw(),
        group,
    };
    let above = directory.parent().filter(|above| !above.exists());
    for directory in above.into_iter().chain([directory]) {
        let made = match std::fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => change(directory, present, ENTERED),
        };
        made.map_err(|source| WriteError::Io {
            path: directory.to_owned(),
            source,
        })?;
    }
    Ok(())
}
