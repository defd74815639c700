//! Tells one state of a file from another without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Time stamps are taken from a clock that ticks every few milliseconds, on FAT every two seconds. A file changed more
/// recently than this may change again within the same tick.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Which file it is, whatever its name: the inode, and the device that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// That of a file which somebody has looked at.
    pub fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}

/// A state of a file. Its identity tells a renamed file, also one with an old time; the time of the last change of the
/// inode tells one that was written in place within the same tick, or can be read only now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    file: FileId,
    size: u64,
    /// Seconds and nanoseconds since 1970, as the next.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of what the path leads to (certbot's `live/` holds symbolic links); `None` when nothing is there to be seen.
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::from_metadata)
    }

    /// Of a file which somebody has looked at.
    pub fn from_metadata(found: &Metadata) -> Self {
        Self {
            file: FileId::of(found),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether a further change at `now` would make another stamp. A modification time in the future proves nothing until
    /// the clock has passed it.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.modified;
        let since_1970 = |seconds| Duration::new(seconds, u32::try_from(nanoseconds).unwrap_or_default());
        let modified = match u64::try_from(seconds) {
            Ok(seconds) => SystemTime::UNIX_EPOCH.checked_add(since_1970(seconds)),
            // Before 1970, to the second.
            Err(_) => SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(seconds.unsigned_abs())),
        };
        modified
            .and_then(|modified| now.duration_since(modified).ok())
            .is_some_and(|age| age >= SETTLED_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn each_way_to_change_a_file_makes_another_stamp() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        assert_eq!(Stamp::of(&at("file")), None);
        fs::write(at("file"), "a").unwrap();
        let first = Stamp::of(&at("file")).unwrap();
        assert_eq!(Stamp::of(&at("file")), Some(first));

        fs::write(at("file"), "ab").unwrap();
        let longer = Stamp::of(&at("file")).unwrap();
        assert_ne!(longer, first);

        // Another file of the same size and time, renamed into the place.
        fs::write(at("other"), "cd").unwrap();
        let old = fs::metadata(at("file")).unwrap().modified().unwrap();
        File::options()
            .write(true)
            .open(at("other"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        fs::rename(at("other"), at("file")).unwrap();
        assert_ne!(Stamp::of(&at("file")).unwrap(), longer);

        std::os::unix::fs::symlink("file", at("link")).unwrap();
        assert_eq!(Stamp::of(&at("link")), Stamp::of(&at("file")));
        let id = |name: &str| FileId::of(&at(name).metadata().unwrap());
        assert_eq!(id("link"), id("file"));
    }

    #[test]
    fn a_stamp_is_settled_two_seconds_after_the_change() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let second = Duration::from_secs(1);
        for modified in [
            SystemTime::now(),
            SystemTime::now() + 3600 * second,
            SystemTime::UNIX_EPOCH - 10 * second,
        ] {
            File::create(&path).unwrap().set_modified(modified).unwrap();
            let stamp = Stamp::of(&path).unwrap();
            for (age, settled) in [(0, false), (1, false), (2, true), (3600, true)] {
                assert_eq!(stamp.is_settled(modified + age * second), settled, "{age} s");
            }
            assert!(!stamp.is_settled(modified - second), "the clock was set back");
        }
    }
}
