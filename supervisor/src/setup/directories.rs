//! The directories of a home, each with the mode that its reader needs.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use lockgate_config::Home;

use super::SetupError;

const PRIVATE: u32 = 0o700;
const OPEN: u32 = 0o750;
/// What lies above is nobody's in particular.
const ABOVE: u32 = 0o755;

/// The home and what every run writes: `run` and `log`.
pub(crate) fn prepare(home: &Home) -> Result<(), SetupError> {
    for directory in [home.root(), &home.run(), &home.log(), &home.challenges()] {
        make(directory, OPEN)?;
    }
    Ok(())
}

/// Where accounts are kept.
pub(super) fn accounts(directory: &Path) -> Result<(), SetupError> {
    make(directory, PRIVATE)
}

/// Makes a directory and its parents; one that is there keeps its mode.
fn make(path: &Path, mode: u32) -> Result<(), SetupError> {
    let failed = |source| SetupError::Directory {
        path: path.to_owned(),
        source,
    };
    let missing: Vec<_> = path.ancestors().take_while(|directory| !directory.is_dir()).collect();
    for directory in missing.into_iter().rev() {
        let mode = if directory == path { mode } else { ABOVE };
        match DirBuilder::new().mode(mode & 0o777).create(directory) {
            // mkdir(2) takes no set-group-ID bit, and the umask took what it wanted.
            Ok(()) => std::fs::set_permissions(directory, Permissions::from_mode(mode)).map_err(failed)?,
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            Err(_) if directory.is_dir() => {}
            Err(_) => {
                let why = "a file is in its place; choose another with --home";
                return Err(failed(io::Error::other(why)));
            }
        }
    }
    Ok(())
}
