//! Files and directories as the backend makes them: with which modes, and how a directory reaches the disk.

use std::fs::File;
use std::io;
use std::path::Path;

use lockgate_files::{Modes, make_directory, sync_directory};

use super::failpoint;
use crate::storage::{Error, Result};

/// The proxy reads blobs through the group, which new directories inherit (setgid).
const DIRECTORY_MODE: u32 = 0o2750;
/// The proxy reads blobs through the group, whatever the umask.
pub(crate) const FILE_MODE: u32 = 0o640;

/// Makes one directory, open to the group.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    failpoint::reach("create directory");
    make_directory(path, DIRECTORY_MODE, Modes::AsMounted).map(drop)
}

/// Makes a new file, readable by the group whatever the umask.
pub(crate) fn create_file(path: &Path) -> Result<File> {
    lockgate_files::create_file(path, FILE_MODE, Modes::AsMounted).map_err(Error::io("create", path))
}

pub(crate) fn sync_dir(directory: &Path) -> Result<()> {
    sync_directory(directory).map_err(Error::io("sync", directory))
}

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().expect("the layout puts everything below a root")
}
