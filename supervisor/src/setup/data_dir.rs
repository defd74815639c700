//! The data directory: its owner, its missing directories, and a change of owner.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use lockgate_files::{Modes, make_directory, set_owner_and_mode};
use lockgate_registry::Layout;

use crate::sandbox::run_as::DataDir;
use crate::sandbox::system_user::SystemUser;

/// As the registry makes them: the group reads, and new directories are the group's.
const DIRECTORY_MODE: u32 = 0o2750;
const FILE_MODE: u32 = 0o640;

#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .path.display())]
pub(crate) struct DataDirError {
    path: PathBuf,
    source: io::Error,
}

/// How much has another owner now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChownedFiles {
    pub(crate) files: u64,
    pub(crate) directories: u64,
}

/// The data below `root`, if a registry has written there, or if the directory belongs to somebody else than root.
pub(crate) fn existing(root: &Path) -> Option<DataDir> {
    let place = || root.metadata().ok().filter(|found| found.uid() != 0);
    let metadata = Layout::new(root).blobs().parent()?.metadata().ok().or_else(place)?;
    Some(DataDir {
        root: root.to_owned(),
        user: metadata.uid(),
        group: metadata.gid(),
    })
}

/// Makes the directories down to the blobs, which the proxy is confined to: it cannot be given what is not there.
/// A directory that cannot be made is no error here: the registry reports it.
pub(crate) fn create(root: &Path, owner: Option<&SystemUser>) -> Result<(), DataDirError> {
    let layout = Layout::new(root);
    // An empty place that root has made is for this.
    if let Some(owner) = owner.filter(|_| root.is_dir() && existing(root).is_none()) {
        set_owner_and_mode(&real(root), owner.owner(), DIRECTORY_MODE).map_err(|source| DataDirError {
            path: root.to_owned(),
            source,
        })?;
    }
    let mut missing: Vec<_> = layout.blobs().ancestors().take_while(|path| !path.is_dir()).collect();
    missing.reverse();
    for directory in missing {
        // What lies above the root is nobody's in particular.
        let mode = if directory.starts_with(root) {
            DIRECTORY_MODE
        } else {
            0o755
        };
        match make_directory(directory, mode, Modes::AsMounted) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(source) if directory.is_dir() => {
                return Err(DataDirError {
                    path: directory.to_owned(),
                    source,
                });
            }
            Err(_) => return Ok(()),
        }
        if let Some(owner) = owner.filter(|_| directory.starts_with(root)) {
            lchown(directory, Some(owner.user), Some(owner.group)).map_err(|source| DataDirError {
                path: directory.to_owned(),
                source,
            })?;
        }
    }
    Ok(())
}

/// Gives everything below `root` to `owner`, with the modes that the registry would have chosen.
pub(crate) fn chown(root: &Path, owner: &SystemUser) -> Result<ChownedFiles, DataDirError> {
    let mut chowned = ChownedFiles::default();
    let mut directories = vec![real(root)];
    while let Some(directory) = directories.pop() {
        let failed = |source| DataDirError {
            path: directory.clone(),
            source,
        };
        set_owner_and_mode(&directory, owner.owner(), DIRECTORY_MODE).map_err(failed)?;
        chowned.directories += 1;
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                directories.push(path);
            } else {
                let changed = if kind.is_file() {
                    set_owner_and_mode(&path, owner.owner(), FILE_MODE)
                } else {
                    lchown(&path, Some(owner.user), Some(owner.group))
                };
                changed.map_err(|source| DataDirError { path, source })?;
                chowned.files += 1;
            }
        }
    }
    Ok(chowned)
}

/// Resolves a directory that the administrator has named: it may be a link, to another disk for example. Paths below it
/// may not.
pub(crate) fn real(named: &Path) -> PathBuf {
    named.canonicalize().unwrap_or_else(|_| named.to_owned())
}

/// The first directory or file on the path to a blob that `account` cannot read, if there is one.
pub(crate) fn unreadable_blob(root: &Path, account: &SystemUser) -> Option<PathBuf> {
    let layout = Layout::new(root);
    let on_the_way = layout.blobs().ancestors().take_while(|path| path.starts_with(root));
    let mut way: Vec<PathBuf> = on_the_way.map(Path::to_owned).collect();
    way.reverse();
    // One blob stands for all.
    let mut next = first_in(layout.blobs());
    while let Some(path) = next {
        next = path.is_dir().then(|| first_in(&path)).flatten();
        way.push(path);
    }
    way.into_iter().find(|path| {
        path.metadata().is_ok_and(|found| {
            let rights = if found.is_dir() { 0o1 } else { 0o4 };
            !crate::sandbox::path_access::allows(&found, account, rights)
        })
    })
}

fn first_in(directory: &Path) -> Option<PathBuf> {
    Some(fs::read_dir(directory).ok()?.next()?.ok()?.path())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn present() -> SystemUser {
        SystemUser {
            name: "present".into(),
            user: nix::unistd::geteuid().as_raw(),
            group: nix::unistd::getegid().as_raw(),
        }
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn everything_is_given_and_counted_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("data");
        let outside = directory.path().join("outside");
        fs::write(&outside, "").unwrap();
        fs::set_permissions(&outside, Permissions::from_mode(0o600)).unwrap();
        let blob = Layout::new(&root).blobs().join("sha256/aa/bb");
        fs::create_dir_all(&blob).unwrap();
        fs::write(blob.join("data"), "x").unwrap();
        fs::set_permissions(blob.join("data"), Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
        assert_eq!(existing(&root).unwrap().user, present().user);

        let chowned = chown(&root, &present()).unwrap();
        assert_eq!(
            chowned,
            ChownedFiles {
                files: 2,
                directories: 8
            }
        );
        assert_eq!(
            (mode(&root), mode(&blob), mode(&blob.join("data"))),
            (DIRECTORY_MODE, DIRECTORY_MODE, FILE_MODE)
        );
        assert_eq!(mode(&outside), 0o600, "a link was followed");
    }

    #[test]
    fn a_file_that_is_known_elsewhere_is_not_given_away() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("data");
        fs::create_dir(&root).unwrap();
        let outside = directory.path().join("outside");
        fs::write(&outside, "").unwrap();
        fs::hard_link(&outside, root.join("data")).unwrap();
        let error = chown(&root, &present()).unwrap_err();
        assert!(error.to_string().contains("second name"), "{error}");
    }

    #[test]
    fn what_keeps_the_proxy_from_a_blob_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("data");
        create(&root, None).unwrap();
        let stranger = SystemUser {
            name: "stranger".into(),
            user: 4_000_000,
            group: directory.path().metadata().unwrap().gid(),
        };
        assert_eq!(unreadable_blob(&root, &stranger), None);
        let blob = Layout::new(&root).blobs().join("data");
        fs::write(&blob, "x").unwrap();
        for (mode, found) in [(0o600, Some(blob.clone())), (0o640, None)] {
            fs::set_permissions(&blob, Permissions::from_mode(mode)).unwrap();
            assert_eq!(unreadable_blob(&root, &stranger), found, "{mode:o}");
        }
    }
}
