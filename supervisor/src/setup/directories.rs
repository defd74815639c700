//! The directories of a home, each with the mode that its reader needs.

use std::io;
use std::path::Path;

use lockgate_config::Home;
use lockgate_files::{Modes, make_directories};

use super::SetupError;

const PRIVATE: u32 = 0o700;
const OPEN: u32 = 0o750;
/// For missing directories above the home.
const ABOVE: u32 = 0o755;

/// Makes the home and the directories that every run writes to.
pub(crate) fn prepare(home: &Home) -> Result<(), SetupError> {
    for directory in [home.root(), &home.run(), &home.log(), &home.challenges()] {
        make(directory, OPEN)?;
    }
    Ok(())
}

/// Makes the directory of the accounts file.
pub(super) fn accounts(directory: &Path) -> Result<(), SetupError> {
    make(directory, PRIVATE)
}

/// Makes a directory and its parents; one that is there keeps its mode.
fn make(path: &Path, mode: u32) -> Result<(), SetupError> {
    make_directories(path, mode, ABOVE, Modes::Required)
        .map(drop)
        .map_err(|source| SetupError::Directory {
            path: path.to_owned(),
            source: match source.kind() {
                io::ErrorKind::NotADirectory => io::Error::other("a file is in its place; choose another with --home"),
                _ => source,
            },
        })
}
