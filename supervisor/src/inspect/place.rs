//! What lies where a configuration says that something is.

use std::fs::{self, File};
use std::io::{
    self,
    ErrorKind::{NotADirectory, NotFound, PermissionDenied},
};
use std::path::Path;

use lockgate_config::{Named, Purpose};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is there, and this user can open it.
    Fine,
    /// Nothing.
    Absent,
    /// Something else, in words.
    Wrong(String),
    /// This user cannot tell; why.
    Unseen(String),
}

const MOUNT: &str = "docker and podman make one where the source of a mount is missing";
const NOT_READ: &str =
    "this user may not read it, so it was not looked at; run the check as root, or as the user that starts";

pub(super) fn look(named: &Named<'_>) -> Place {
    let (path, purpose) = (named.path, named.purpose);
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => return without_metadata(path, &error),
    };
    match (purpose, found.is_dir()) {
        (Purpose::AcmeCache, _) => Place::Fine,
        (_, true) if purpose.is_directory() => entered(path, purpose),
        (_, false) if purpose.is_directory() => Place::Wrong("expected a directory, and this is a file".to_owned()),
        (_, true) => Place::Wrong(format!("expected a file, and this is a directory; {MOUNT}")),
        (_, false) if !found.is_file() => {
            Place::Unseen("neither a file nor a directory, so it was not opened".to_owned())
        }
        (_, false) => match File::open(path) {
            Ok(_) => Place::Fine,
            Err(error) => without_metadata(path, &error),
        },
    }
}

fn without_metadata(path: &Path, error: &io::Error) -> Place {
    match error.kind() {
        NotFound => Place::Absent,
        PermissionDenied => Place::Unseen(NOT_READ.to_owned()),
        NotADirectory => {
            let file = path.ancestors().find(|above| above.is_file()).unwrap_or(path);
            Place::Wrong(format!("{} is a file, and expected as a directory", file.display()))
        }
        _ => Place::Wrong(error.to_string()),
    }
}

/// A directory is used by the users that the processes run as, who may be others than this one.
fn entered(path: &Path, purpose: Purpose) -> Place {
    let writes = matches!(purpose, Purpose::Storage | Purpose::Log);
    let rights = match writes {
        true => AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK,
        false => AccessFlags::R_OK | AccessFlags::X_OK,
    };
    match faccessat(AT_FDCWD, path, rights, AtFlags::AT_EACCESS) {
        // A storage that cannot be written is served, and the registry says so.
        Ok(()) | Err(Errno::EROFS) => Place::Fine,
        Err(Errno::EACCES | Errno::EPERM) => {
            let what = if writes { "read and write" } else { "read" };
            Place::Unseen(format!(
                "this user may not {what} there, so it was not looked at whether the one that serves may; run the \
                 check as root, or as that user"
            ))
        }
        Err(errno) => Place::Wrong(errno.desc().to_owned()),
    }
}

/// In words, for what is not made at the start.
pub(super) fn absent(named: &Named<'_>) -> String {
    let what = if named.purpose.is_directory() {
        "directory"
    } else {
        "file"
    };
    match fs::read_link(named.path) {
        Ok(target) => format!("there is no such {what}; this is a link to {}", target.display()),
        Err(_) => format!("there is no such {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at(path: &Path, purpose: Purpose) -> Place {
        look(&Named {
            key: "key".into(),
            path,
            purpose,
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
        for (path, purpose, expected) in [
            (at("file"), Purpose::Accounts, "Fine"),
            (at("good-link"), Purpose::Accounts, "Fine"),
            (at("none"), Purpose::Accounts, "Absent"),
            (at("link"), Purpose::Certificate, "Absent"),
            (
                at(""),
                Purpose::PrivateKey,
                "is a directory; docker and podman make one",
            ),
            (at("file"), Purpose::Docroot, "expected a directory, and this is a file"),
            (at("file"), Purpose::Storage, "expected a directory, and this is a file"),
            (at(""), Purpose::Docroot, "Fine"),
            (
                at("file/below"),
                Purpose::Storage,
                "file is a file, and expected as a directory",
            ),
            (
                at("file/below/key"),
                Purpose::TokenKey,
                "file is a file, and expected as a directory",
            ),
            (at("file"), Purpose::AcmeCache, "Fine"),
            (at(""), Purpose::AcmeCache, "Fine"),
            // Opening one would wait for ever.
            (at("socket"), Purpose::Accounts, "neither a file nor a directory"),
        ] {
            let found = format!("{:?}", look_at(&path, purpose));
            assert!(found.contains(expected), "{} {purpose:?}: {found}", path.display());
        }
        let link = at("link");
        let named = Named {
            key: "key".into(),
            path: &link,
            purpose: Purpose::Certificate,
        };
        assert_eq!(absent(&named), "there is no such file; this is a link to nowhere");
    }
}
