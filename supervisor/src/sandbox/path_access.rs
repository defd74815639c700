//! Whether a user can reach a path: it must be allowed to enter each directory above.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::system_user::SystemUser;

/// The first directory above `path` that `account` may not enter, or `path` itself when it is a file that it may not
/// read. What is in `home` counts as open to it. Access control lists are not looked at.
pub(super) fn first_denied(path: &Path, account: &SystemUser, home: Option<&Path>) -> Option<PathBuf> {
    // Where a link leads counts, and what is not there yet will be made.
    let real = path.ancestors().find_map(|known| known.canonicalize().ok())?;
    let above = if path.exists() { real.parent()? } else { real.as_path() };
    let home = home.map(|home| home.canonicalize().unwrap_or_else(|_| home.to_owned()));
    let is_in_home = |path: &Path| home.as_ref().is_some_and(|home| path.starts_with(home));
    let mut above: Vec<_> = above.ancestors().filter(|directory| !is_in_home(directory)).collect();
    above.reverse();
    above
        .into_iter()
        .find(|directory| directory.metadata().is_ok_and(|found| !allows(&found, account, 0o1)))
        .map(Path::to_owned)
        .or_else(|| {
            let unread = path
                .metadata()
                .is_ok_and(|found| found.is_file() && !allows(&found, account, 0o4));
            (unread && !is_in_home(&real)).then_some(real)
        })
}

/// Whether `account` has all of `rights` (4 read, 2 write, 1 enter) on a file.
pub(crate) fn allows(file: &std::fs::Metadata, account: &SystemUser, rights: u32) -> bool {
    let class = if file.uid() == account.user {
        6
    } else if file.gid() == account.group {
        3
    } else {
        0
    };
    (file.mode() >> class) & rights == rights
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_above_that_keeps_a_user_out_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let (outer, inner) = (directory.path().join("outer"), directory.path().join("outer/inner"));
        std::fs::create_dir_all(&inner).unwrap();
        let home = None;
        let stranger = SystemUser {
            name: "stranger".into(),
            user: 4_000_000,
            group: 4_000_000,
        };
        for open in [directory.path(), &inner] {
            set_permissions(open, Permissions::from_mode(0o755)).unwrap();
        }
        for (mode, open) in [(0o700, false), (0o755, true), (0o711, true), (0o750, false)] {
            set_permissions(&outer, Permissions::from_mode(mode)).unwrap();
            let expected = (!open).then(|| outer.canonicalize().unwrap());
            assert_eq!(first_denied(&inner, &stranger, home), expected, "{mode:o}");
            assert_eq!(
                first_denied(&inner.join("not/yet"), &stranger, home),
                expected,
                "{mode:o}"
            );
        }
        set_permissions(&outer, Permissions::from_mode(0o710)).unwrap();
        let found = outer.metadata().unwrap();
        let member = SystemUser {
            name: "member".into(),
            user: 4_000_000,
            group: found.gid(),
        };
        assert_eq!(first_denied(&inner, &member, home), None);
        let file = outer.join("file");
        std::fs::write(&file, "").unwrap();
        set_permissions(&outer, Permissions::from_mode(0o711)).unwrap();
        for (mode, open) in [(0o600, false), (0o604, true)] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let expected = (!open).then(|| file.canonicalize().unwrap());
            assert_eq!(first_denied(&file, &stranger, home), expected, "{mode:o}");
            assert_eq!(first_denied(&file, &stranger, Some(&outer)), None, "{mode:o}");
        }
        set_permissions(&outer, Permissions::from_mode(0o700)).unwrap();
        // A directory's own mode is its own affair, and a home's is set.
        assert_eq!(first_denied(&inner, &stranger, Some(&outer)), None);
        assert_eq!(first_denied(&outer, &stranger, home), None);
    }
}
