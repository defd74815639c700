//! Whether what a configuration names exists, is of the right kind, and can be opened.

use std::fs::{self, File};
use std::io::{
    self,
    ErrorKind::{NotADirectory, NotFound, PermissionDenied},
};
use std::path::Path;

use lockgate_config::{ConfigFile, FileAccess, FileRole};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

/// The state of a path that the configuration names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PathState {
    /// It is there, and this user can open it.
    Fine,
    /// There is nothing.
    Absent,
    /// There is something else; in words.
    Wrong(String),
    /// This user cannot tell, for the reason in words.
    Unseen(String),
}

const MOUNT: &str = "docker and podman make one where the source of a mount is missing";
const NOT_READ: &str =
    "this user may not read it, so it was not looked at; run the check as root, or as the user that starts";

pub(super) fn look(named: &ConfigFile<'_>) -> PathState {
    let (path, role) = (named.path, named.role);
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => return without_metadata(path, &error),
    };
    match (role, found.is_dir()) {
        (FileRole::AcmeCache, _) => PathState::Fine,
        (_, true) if role.is_directory() => entered(path, role),
        (_, false) if role.is_directory() => PathState::Wrong("expected a directory, and this is a file".to_owned()),
        (_, true) => PathState::Wrong(format!("expected a file, and this is a directory; {MOUNT}")),
        (_, false) if !found.is_file() => {
            PathState::Unseen("neither a file nor a directory, so it was not opened".to_owned())
        }
        (_, false) => match File::open(path) {
            Ok(_) => PathState::Fine,
            Err(error) => without_metadata(path, &error),
        },
    }
}

fn without_metadata(path: &Path, error: &io::Error) -> PathState {
    match error.kind() {
        NotFound => PathState::Absent,
        PermissionDenied => PathState::Unseen(NOT_READ.to_owned()),
        NotADirectory => {
            let file = path.ancestors().find(|above| above.is_file()).unwrap_or(path);
            PathState::Wrong(format!("{} is a file, and expected as a directory", file.display()))
        }
        _ => PathState::Wrong(error.to_string()),
    }
}

/// A directory is used by the users that the processes run as, who may be others than this one.
fn entered(path: &Path, role: FileRole) -> PathState {
    let writes = role.access() == FileAccess::Write;
    let rights = match writes {
        true => AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK,
        false => AccessFlags::R_OK | AccessFlags::X_OK,
    };
    match faccessat(AT_FDCWD, path, rights, AtFlags::AT_EACCESS) {
        // A storage that cannot be written is served, and the registry says so.
        Ok(()) | Err(Errno::EROFS) => PathState::Fine,
        Err(Errno::EACCES | Errno::EPERM) => {
            let what = if writes { "read and write" } else { "read" };
            PathState::Unseen(format!(
                "this user may not {what} there, so it was not looked at whether the one that serves may; run the \
                 check as root, or as that user"
            ))
        }
        Err(errno) => PathState::Wrong(errno.desc().to_owned()),
    }
}

/// Says that a path is missing which no start makes.
pub(super) fn absent(named: &ConfigFile<'_>) -> String {
    let what = if named.role.is_directory() { "directory" } else { "file" };
    match fs::read_link(named.path) {
        Ok(target) => format!("there is no such {what}; this is a link to {}", target.display()),
        Err(_) => format!("there is no such {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at(path: &Path, role: FileRole) -> PathState {
        look(&ConfigFile {
            key: "key".into(),
            path,
            role,
        })
    }

    #[test]
    fn files_directories_and_what_is_in_their_place() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        std::os::unix::fs::symlink("file", at("good-link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (path, role, expected) in [
            (at("file"), FileRole::Accounts, "Fine"),
            (at("good-link"), FileRole::Accounts, "Fine"),
            (at("none"), FileRole::Accounts, "Absent"),
            (at("link"), FileRole::Certificate, "Absent"),
            (
                at(""),
                FileRole::PrivateKey,
                "is a directory; docker and podman make one",
            ),
            (
                at("file"),
                FileRole::Docroot,
                "expected a directory, and this is a file",
            ),
            (
                at("file"),
                FileRole::Storage,
                "expected a directory, and this is a file",
            ),
            (at(""), FileRole::Docroot, "Fine"),
            (
                at("file/below"),
                FileRole::Storage,
                "file is a file, and expected as a directory",
            ),
            (
                at("file/below/key"),
                FileRole::TokenKey,
                "file is a file, and expected as a directory",
            ),
            (at("file"), FileRole::AcmeCache, "Fine"),
            (at(""), FileRole::AcmeCache, "Fine"),
            // Opening one would wait for ever.
            (at("socket"), FileRole::Accounts, "neither a file nor a directory"),
        ] {
            let found = format!("{:?}", look_at(&path, role));
            assert!(found.contains(expected), "{} {role:?}: {found}", path.display());
        }
        let link = at("link");
        let named = ConfigFile {
            key: "key".into(),
            path: &link,
            role: FileRole::Certificate,
        };
        assert_eq!(absent(&named), "there is no such file; this is a link to nowhere");
    }
}
