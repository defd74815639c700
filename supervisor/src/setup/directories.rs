//! The directories of a home, each with the mode that its reader needs.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use lockgate_config::Home;

use super::SetupError;

/// Group-readable; new files belong to the directory's group, so that the proxy reads what the registry writes.
const SHARED: u32 = 0o2750;
const PRIVATE: u32 = 0o700;
const OPEN: u32 = 0o750;

/// The home and what every run writes: `run` and `log`.
pub(crate) fn prepare(home: &Home) -> Result<(), SetupError> {
    for directory in [home.root(), &home.run(), &home.log()] {
        make(directory, OPEN)?;
    }
    Ok(())
}

/// Where accounts are kept.
pub(super) fn accounts(directory: &Path) -> Result<(), SetupError> {
    make(directory, PRIVATE)
}

/// Where images are kept.
pub(super) fn storage(directory: &Path) -> Result<(), SetupError> {
    make(directory, SHARED)
}

/// Makes a directory and its parents; one that is there keeps its mode.
fn make(path: &Path, mode: u32) -> Result<(), SetupError> {
    let failed = |source| SetupError::Directory {
        path: path.to_owned(),
        source,
    };
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(OPEN)
            .create(parent)
            .map_err(failed)?;
    }
    match DirBuilder::new().mode(mode & 0o777).create(path) {
        // mkdir(2) takes no set-group-ID bit, and the umask took what it wanted.
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
