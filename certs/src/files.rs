//! Writing keys and certificates: whole or not at all, durable, and with the right mode from the first byte on.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// What to do when the file exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and return [`WriteError::Exists`].
    Keep,
    /// Replace it.
    Overwrite,
}

/// Whose a new file shall be, by number, when the writer is root and the reader is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file is there, and overwriting it was not asked for.
    #[error("{path}: exists already; it is left as it is")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system said no.
    #[error("{path}: cannot be written: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Writes a secret: mode 0600, missing directories 0700.
pub fn write_private(path: &Path, contents: impl AsRef<[u8]>, existing: Existing) -> Result<(), WriteError> {
    write(path, contents.as_ref(), existing, &PRIVATE, None)
}

/// Writes a secret that another user reads: as [`write_private`], and the file is `owner`'s before it has its name.
pub fn write_private_for(
    owner: Owner,
    path: &Path,
    contents: impl AsRef<[u8]>,
    existing: Existing,
) -> Result<(), WriteError> {
    write(path, contents.as_ref(), existing, &PRIVATE, Some(owner))
}

/// Writes what everybody may read: mode 0644, missing directories 0755.
pub fn write_public(path: &Path, contents: impl AsRef<[u8]>, existing: Existing) -> Result<(), WriteError> {
    write(path, contents.as_ref(), existing, &PUBLIC, None)
}

struct Modes {
    file: u32,
    directory: u32,
}

const PRIVATE: Modes = Modes {
    file: 0o600,
    directory: 0o700,
};

const PUBLIC: Modes = Modes {
    file: 0o644,
    directory: 0o755,
};

fn write(
    path: &Path,
    contents: &[u8],
    existing: Existing,
    modes: &Modes,
    owner: Option<Owner>,
) -> Result<(), WriteError> {
    let failed = |source| WriteError::Io {
        path: path.to_owned(),
        source,
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_directories(directory, modes.directory).map_err(failed)?;
    let staged = Staged::beside(path, modes.file).map_err(failed)?;
    let owner = owner.or_else(|| other_owner(path, &staged.file));
    staged.fill(contents, modes.file, owner).map_err(failed)?;
    match existing {
        Existing::Overwrite => std::fs::rename(&staged.path, path).map_err(failed)?,
        Existing::Keep => staged.claim(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => WriteError::Exists { path: path.to_owned() },
            _ => failed(source),
        })?,
    }
    drop(staged);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}

/// Makes what is missing, each with `mode` whatever the umask.
fn make_directories(directory: &Path, mode: u32) -> io::Result<()> {
    let missing: Vec<_> = directory
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    for path in missing.into_iter().rev() {
        match DirBuilder::new().mode(mode).create(path) {
            Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(mode))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whose the file that is replaced is: root leaves it to its reader. `None` when that is the writer.
fn other_owner(path: &Path, new: &File) -> Option<Owner> {
    let (old, new) = (path.symlink_metadata().ok()?, new.metadata().ok()?);
    let differs = new.uid() == 0 && (old.uid(), old.gid()) != (new.uid(), new.gid());
    (differs && old.is_file()).then(|| Owner {
        user: old.uid(),
        group: old.gid(),
    })
}

/// A new file beside its target; removed when dropped, unless it was renamed.
struct Staged {
    path: PathBuf,
    file: File,
}

impl Staged {
    fn beside(target: &Path, mode: u32) -> io::Result<Self> {
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))?;
        let mut staged = std::ffi::OsString::from(".");
        staged.push(name);
        staged.push(format!(".{}.tmp", std::process::id()));
        let path = target.with_file_name(staged);
        // A crash may have left one under a pid that is used again.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        Ok(Self { path, file })
    }

    fn fill(&self, contents: &[u8], mode: u32, owner: Option<Owner>) -> io::Result<()> {
        let mut file = &self.file;
        // The umask may have taken bits away that a reader of the certificate needs.
        file.set_permissions(Permissions::from_mode(mode))?;
        if let Some(owner) = owner {
            fchown(file, Some(owner.user), Some(owner.group))?;
        }
        file.write_all(contents)?;
        file.sync_all()
    }

    /// Takes the target's name if it is free. A link fails when it is taken, so two writers cannot both win; where the
    /// file system has no links, looking first has to do.
    fn claim(&self, target: &Path) -> io::Result<()> {
        match std::fs::hard_link(&self.path, target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                if target.symlink_metadata().is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                std::fs::rename(&self.path, target)
            }
            other => other,
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename the name is free again, and there is nothing to remove.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn secrets_are_for_their_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("ca/ca.key");
        write_private(&key, "k", Existing::Keep).unwrap();
        assert_eq!(mode(&key), 0o600);
        assert_eq!(mode(key.parent().unwrap()), 0o700);
        let certificate = home.path().join("tls/ca.crt");
        write_public(&certificate, "c", Existing::Keep).unwrap();
        assert_eq!(mode(&certificate), 0o644);
        assert_eq!(std::fs::read_to_string(&certificate).unwrap(), "c");
    }

    #[test]
    fn an_existing_file_is_kept_unless_overwriting_is_asked_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("leaf.crt");
        write_public(&path, "first", Existing::Keep).unwrap();
        let refused = write_public(&path, "second", Existing::Keep);
        assert!(matches!(refused, Err(WriteError::Exists { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        write_public(&path, "third", Existing::Overwrite).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third");
        let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "a temporary file was left: {left:?}");
    }

    #[test]
    fn overwriting_narrows_the_mode_of_a_key() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("leaf.key");
        write_public(&path, "x", Existing::Keep).unwrap();
        write_private(&path, "y", Existing::Overwrite).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn the_umask_takes_nothing_away() {
        let home = tempfile::tempdir().unwrap();
        // As if the umask had been 0077.
        let staged = Staged::beside(&home.path().join("ca.crt"), 0o600).unwrap();
        staged.fill(b"c", 0o644, None).unwrap();
        assert_eq!(mode(&staged.path), 0o644);
    }

    #[test]
    fn a_file_for_another_user_is_that_users() {
        let home = tempfile::tempdir().unwrap();
        let own = std::fs::metadata(home.path()).unwrap();
        // Only root can give files away.
        let owner = match own.uid() {
            0 => Owner {
                user: 65_533,
                group: 65_532,
            },
            user => Owner { user, group: own.gid() },
        };
        let path = home.path().join("leaf.key");
        write_private_for(owner, &path, "k", Existing::Keep).unwrap();
        // Also when it is written anew by somebody who knows of no owner.
        write_private(&path, "another", Existing::Overwrite).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (owner.user, owner.group));
        assert_eq!(mode(&path), 0o600);
    }
}
