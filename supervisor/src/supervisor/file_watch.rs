//! Looks whether a file has changed, and waits until whoever writes it has finished.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockgate_files::Stamp;

/// How often to look: one `stat` call. A change counts once it was seen twice: editors write in several steps, and
/// half a configuration may be a valid one.
const INTERVAL: Duration = Duration::from_secs(1);

/// A file that somebody may change.
#[derive(Debug)]
pub(super) struct FileWatch {
    path: PathBuf,
    known: Option<Stamp>,
    seen: Option<Stamp>,
    next: Instant,
}

impl FileWatch {
    /// The state that the file has now is no change.
    pub(super) fn new(path: &Path, now: Instant) -> Self {
        let known = Stamp::of(path);
        Self {
            path: path.to_owned(),
            known,
            seen: known,
            next: now + INTERVAL,
        }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Looks if it is time. True once for each change; a file that is not there has not changed.
    pub(super) fn changed(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + INTERVAL;
        let found = Stamp::of(&self.path);
        let settled = found == self.seen;
        self.seen = found;
        let changed = settled && found.is_some() && found != self.known;
        if changed {
            self.known = found;
        }
        changed
    }

    /// The state that the file has now is known from elsewhere, and no change.
    pub(super) fn taken_up(&mut self) {
        self.known = Stamp::of(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_and_when_it_has_settled() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.yml");
        std::fs::write(&path, "a").unwrap();
        let mut now = Instant::now();
        let mut watch = FileWatch::new(&path, now);
        let mut look = |watch: &mut FileWatch| {
            now += INTERVAL;
            watch.changed(now)
        };
        assert!(!look(&mut watch));
        std::fs::write(&path, "ab").unwrap();
        assert!(!look(&mut watch), "somebody may still be writing");
        std::fs::write(&path, "abc").unwrap();
        assert!(!look(&mut watch), "and was");
        assert!(look(&mut watch));
        assert!(!look(&mut watch), "known by now");
        std::fs::remove_file(&path).unwrap();
        assert!(
            !look(&mut watch) && !look(&mut watch),
            "a file that is gone changes nothing"
        );
        std::fs::write(&path, "other").unwrap();
        assert!(!look(&mut watch));
        assert!(look(&mut watch));
        std::fs::write(&path, "by hand").unwrap();
        watch.taken_up();
        assert!(!look(&mut watch) && !look(&mut watch));
    }
}
