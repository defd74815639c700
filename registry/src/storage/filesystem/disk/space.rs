//! Refuses an upload early when hardly anything is left; better than after a gigabyte.

use std::io;
use std::path::Path;

use crate::storage::{Error, Result};

/// Left for manifests, links and the journal of deletes.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;

/// [`Error::Full`] when the filesystem of `path` is nearly full: less than 16 MiB, or on a small one less than 1/64, is free.
pub(crate) fn check_free_space(path: &Path) -> Result<()> {
    let stat = rustix::fs::statvfs(path)
        .map_err(io::Error::from)
        .map_err(Error::io("look at", path))?;
    let reserve = RESERVE_BYTES.min(stat.f_blocks * stat.f_frsize / 64);
    // Some network filesystems do not tell and say 0 blocks.
    if stat.f_blocks > 0 && stat.f_bavail * stat.f_frsize < reserve {
        return Err(Error::Full { path: path.to_owned() });
    }
    Ok(())
}
