//! Whose a file is, and giving it to somebody.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidGid {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl UidGid {
    /// Whose a file is.
    pub fn of(found: &Metadata) -> Self {
        Self {
            uid: found.uid(),
            gid: found.gid(),
        }
    }

    /// Gives `file` to this user and group, unless it is theirs: only root may give, but whoever has it keeps it.
    pub(crate) fn take(self, file: &File) -> io::Result<()> {
        if Self::of(&file.metadata()?) == self {
            return Ok(());
        }
        fchown(file, Some(self.uid), Some(self.gid))
    }
}

/// Sets owner and mode of a file or directory, where they differ. Through a descriptor: whoever owned the directory may
/// put a link in the way meanwhile. A link is refused, and so is a file that has a second name elsewhere.
pub fn set_owner_and_mode(path: &Path, owner: UidGid, mode: u32) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).expect("flags of open(2) are an int");
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other("is a link; put what it leads to here"),
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
    owner.take(&file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn owner_and_mode_are_set_and_links_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let present = UidGid::of(&place.path().metadata().unwrap());
        // Only root can give files away.
        let owner = match present.uid {
            0 => UidGid {
                uid: 65_533,
                gid: 65_532,
            },
            _ => present,
        };
        fs::write(at("file"), "x").unwrap();
        fs::create_dir(at("directory")).unwrap();
        for (name, mode) in [("file", 0o640), ("directory", 0o2750)] {
            set_owner_and_mode(&at(name), owner, mode).unwrap();
            let found = at(name).metadata().unwrap();
            assert_eq!((UidGid::of(&found), found.mode() & 0o7777), (owner, mode), "{name}");
        }

        std::os::unix::fs::symlink("file", at("link")).unwrap();
        let error = set_owner_and_mode(&at("link"), owner, 0o600).unwrap_err();
        assert!(error.to_string().contains("is a link"), "{error}");
        fs::hard_link(at("file"), at("second")).unwrap();
        let error = set_owner_and_mode(&at("second"), owner, 0o600).unwrap_err();
        assert!(error.to_string().contains("second name"), "{error}");
        assert_eq!(at("file").metadata().unwrap().mode() & 0o7777, 0o640);
    }
}
