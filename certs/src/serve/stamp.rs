//! Tells one state of a file from another without reading it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::x509::load::Pair;

/// A state of a file. The inode tells a renamed file, also one with an old time; the time of the last change of the inode
/// tells one that was written in place within the same tick, or can be read only now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of what the path leads to (certbot's `live/` holds symbolic links); `None` when nothing is there to be seen.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Of both files of `pair`.
    pub fn of_pair(pair: &Pair) -> [Option<Self>; 2] {
        [Self::of(&pair.certificate), Self::of(&pair.key)]
    }
}
