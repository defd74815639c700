//! The directories of a home, each with the mode that its reader needs.

use std::io;
use std::path::Path;

use lockgate_config::Home;
use lockgate_files::{Modes, make_directories};

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
