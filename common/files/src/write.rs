//! Replacing a file as a whole: who reads it, or finds it after power loss, sees all of the old or all of the new, with
//! the right mode and owner from the first byte on.
//!
//! What is written lies beside its target until it is complete and on disk; then it takes the name, and the directory is
//! synced. A link in the place of the target is replaced and not followed, but for [`rewrite`].

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::create::{Modes, create_file, directory_of, make_directories, sync_directory};
use crate::owner::UidGid;

/// What to do when the file exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and return [`WriteError::Exists`].
    Keep,
    /// Replace it.
    Overwrite,
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

/// Writes a secret: mode 0600, missing directories 0700. Root leaves a file that it overwrites to its owner.
pub fn write_private(path: &Path, contents: impl AsRef<[u8]>, existing: Existing) -> Result<(), WriteError> {
    write_private_for(None, path, contents, existing)
}

/// Writes a secret that another user reads: as [`write_private`], and the file is `owner`'s before it has its name.
pub fn write_private_for(
    owner: Option<UidGid>,
    path: &Path,
    contents: impl AsRef<[u8]>,
    existing: Existing,
) -> Result<(), WriteError> {
    let owner = owner.map_or(Owner::Writer, Owner::Given);
    write(path, contents.as_ref(), existing, &PRIVATE, owner)
}

/// Writes what everybody may read: mode 0644, missing directories 0755.
pub fn write_public(path: &Path, contents: impl AsRef<[u8]>, existing: Existing) -> Result<(), WriteError> {
    write(path, contents.as_ref(), existing, &PUBLIC, Owner::Writer)
}

/// Writes a secret as [`write_private`] does, but leaves it under a temporary name until [`Staged::replace`] is called:
/// what may not take the place of something good can be tried before. Until then it is the writer's, who has to read it.
pub fn stage_private(path: &Path, contents: impl AsRef<[u8]>) -> Result<Staged, WriteError> {
    stage_in_directory(path, contents.as_ref(), &PRIVATE, Owner::Later)
}

/// Writes a file of the user's own anew, as an editor does: a link stays a link, and its target is replaced; mode and
/// owner stay what they are, or it is an error. A file that is missing is made with mode 0600, a directory is not.
pub fn rewrite(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (mode, owner) = match fs::metadata(path) {
        Ok(old) => (old.permissions().mode() & 0o7777, Owner::Given(UidGid::of(&old))),
        Err(error) if error.kind() == ErrorKind::NotFound => (PRIVATE.file, Owner::Writer),
        Err(error) => return Err(error),
    };
    let staged = stage(path, contents.as_ref(), mode, owner)?;
    staged.rename()?;
    sync_directory(directory_of(path))
}

struct ModesOf {
    file: u32,
    directory: u32,
}

const PRIVATE: ModesOf = ModesOf {
    file: 0o600,
    directory: 0o700,
};

const PUBLIC: ModesOf = ModesOf {
    file: 0o644,
    directory: 0o755,
};

/// Whose a new file is to be.
#[derive(Clone, Copy)]
enum Owner {
    /// As [`Owner::Writer`], but not before it takes its name.
    Later,
    /// Whoever writes it; root leaves what it replaces to its owner, who reads it.
    Writer,
    /// This user; an error when it cannot be given away.
    Given(UidGid),
}

fn write(path: &Path, contents: &[u8], existing: Existing, modes: &ModesOf, owner: Owner) -> Result<(), WriteError> {
    let staged = stage_in_directory(path, contents, modes, owner)?;
    match existing {
        Existing::Overwrite => staged.replace(),
        Existing::Keep => staged.create(),
    }
}

fn stage_in_directory(path: &Path, contents: &[u8], modes: &ModesOf, owner: Owner) -> Result<Staged, WriteError> {
    let staged = || {
        for made in make_directories(directory_of(path), modes.directory, modes.directory, Modes::Required)? {
            // So that the file is not lost with its directory. Whoever may enter a directory need not be able to open it.
            let _ = sync_directory(directory_of(&made));
        }
        stage(path, contents, modes.file, owner)
    };
    staged().map_err(|source| WriteError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Writes `contents` beside `target`, to disk.
fn stage(target: &Path, contents: &[u8], mode: u32, owner: Owner) -> io::Result<Staged> {
    let path = target.with_file_name(temporary_name(target)?);
    // A crash may have left one under a pid that is used again.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_file(&path, PRIVATE.file, Modes::Required)?;
    let staged = Staged {
        path,
        target: target.to_owned(),
        owner_is_open: matches!(owner, Owner::Later),
    };
    // Before the owner: for a file of its own, root without its capabilities needs none.
    if mode != PRIVATE.file {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    match owner {
        Owner::Later => {}
        Owner::Given(owner) => owner.take(&file)?,
        Owner::Writer => {
            if let Some(owner) = owner_before(target, &file) {
                owner.take(&file)?;
            }
        }
    }
    file.write_all(contents)?;
    file.sync_all()?;
    Ok(staged)
}

/// `.leaf.key.4711-0.tmp`: hidden, of this process, and of one writer in it.
fn temporary_name(target: &Path) -> io::Result<std::ffi::OsString> {
    static NEXT: AtomicU32 = AtomicU32::new(0);

    let name = target
        .file_name()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path has no file name"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".{}-{number}.tmp", std::process::id()));
    Ok(temporary)
}

/// Whose the file is that root replaces.
fn owner_before(target: &Path, new: &File) -> Option<UidGid> {
    let (old, new) = (target.symlink_metadata().ok()?, new.metadata().ok()?);
    (UidGid::of(&new).uid == 0 && old.is_file()).then(|| UidGid::of(&old))
}

/// A new file beside its target, complete and on disk; removed when dropped, unless it took the name.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    target: PathBuf,
    /// Whether it is given to the target's owner when it takes the name.
    owner_is_open: bool,
}

impl Staged {
    /// Where it is meanwhile.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the target's name, whatever has it.
    pub fn replace(self) -> Result<(), WriteError> {
        let place = || {
            if self.owner_is_open {
                let file = File::open(&self.path)?;
                if let Some(owner) = owner_before(&self.target, &file) {
                    owner.take(&file)?;
                    // As the content was: on disk before it has the name.
                    file.sync_all()?;
                }
            }
            self.rename()?;
            sync_directory(directory_of(&self.target))
        };
        place().map_err(|source| self.failed(source))
    }

    /// Takes the target's name if nothing has it.
    fn create(self) -> Result<(), WriteError> {
        let placed = self.claim();
        let placed = placed.and_then(|()| sync_directory(directory_of(&self.target)));
        placed.map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => WriteError::Exists {
                path: self.target.clone(),
            },
            _ => self.failed(source),
        })
    }

    fn rename(&self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)
    }

    /// A link fails when the name is taken, so two writers cannot both win; where the file system has no links, looking
    /// first has to do.
    fn claim(&self) -> io::Result<()> {
        match fs::hard_link(&self.path, &self.target) {
            Ok(()) => {
                // Before the directory is synced: the second name is not to come back after power loss.
                let _ = fs::remove_file(&self.path);
                Ok(())
            }
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                if self.target.symlink_metadata().is_ok() {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                self.rename()
            }
            taken => taken,
        }
    }

    fn failed(&self, source: io::Error) -> WriteError {
        WriteError::Io {
            path: self.target.clone(),
            source,
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Once it has its name, there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
