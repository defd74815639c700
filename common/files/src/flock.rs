//! flock(2): locks that the kernel drops when the last process that has the file open ends, however it ends.
//!
//! They are advisory, and say nothing about other machines: on NFS, depending on its version, a lock is this machine's
//! alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a lock that somebody else holds is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// Which locks exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Held by one.
    Exclusive,
    /// Held by many; it excludes an exclusive one.
    Shared,
}

/// Opens a file that is there to be locked, and may hold a line of text: made with `mode` when it is missing, and never
/// truncated, since another process may have written what it holds.
pub fn open(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode)
        .open(path)
}

/// Locks `file`, waiting for those who hold it. A lock that is held already becomes one of `kind`; flock(2) may let go
/// of it in between.
pub fn lock(file: &File, kind: Kind) -> io::Result<()> {
    loop {
        let locked = match kind {
            Kind::Exclusive => file.lock(),
            Kind::Shared => file.lock_shared(),
        };
        match locked {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            locked => return locked,
        }
    }
}

/// Locks `file` without waiting. `false` when somebody else holds it.
pub fn try_lock(file: &File, kind: Kind) -> io::Result<bool> {
    let locked = match kind {
        Kind::Exclusive => file.try_lock(),
        Kind::Shared => file.try_lock_shared(),
    };
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Locks `file`, waiting for `patience`. `false` when somebody else still holds it then.
pub fn lock_within(file: &File, kind: Kind, patience: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    while !try_lock(file, kind)? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(RETRY);
    }
    Ok(true)
}

/// Lets go of `file` now, even while a process that was just forked has it open too.
pub fn unlock(file: &File) -> io::Result<()> {
    file.unlock()
}

/// Takes a file system without locks for one that is not shared by processes that need them: there, asking for a lock
/// gives `otherwise`.
pub fn where_supported<T>(locked: io::Result<T>, otherwise: T) -> io::Result<T> {
    match locked {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(otherwise),
        locked => locked,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn an_exclusive_lock_excludes_all_and_shared_ones_each_other_not() {
        use Kind::{Exclusive, Shared};
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let (one, other) = (open(&path, 0o600).unwrap(), open(&path, 0o600).unwrap());
        for (held, wanted, granted) in [
            (Exclusive, Exclusive, false),
            (Exclusive, Shared, false),
            (Shared, Exclusive, false),
            (Shared, Shared, true),
        ] {
            lock(&one, held).unwrap();
            assert_eq!(try_lock(&other, wanted).unwrap(), granted, "{held:?} {wanted:?}");
            unlock(&one).unwrap();
            assert!(try_lock(&other, wanted).unwrap());
            unlock(&other).unwrap();
        }
    }

    #[test]
    fn a_lock_is_waited_for_as_long_as_was_said() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let (one, other) = (open(&path, 0o600).unwrap(), open(&path, 0o600).unwrap());
        lock(&one, Kind::Exclusive).unwrap();
        assert!(!lock_within(&other, Kind::Exclusive, 2 * RETRY).unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(2 * RETRY);
                unlock(&one).unwrap();
            });
            assert!(lock_within(&other, Kind::Exclusive, Duration::from_secs(10)).unwrap());
        });
    }

    #[test]
    fn what_another_process_wrote_into_the_file_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        std::fs::write(&path, "17\n").unwrap();
        open(&path, 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "17\n");
        let new = place.path().join("new");
        open(&new, 0o600).unwrap();
        assert_eq!(new.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_a_missing_feature_is_forgiven() {
        let failed = |kind: ErrorKind| Err::<bool, _>(kind.into());
        assert!(where_supported(failed(ErrorKind::Unsupported), true).unwrap());
        assert!(where_supported(failed(ErrorKind::PermissionDenied), true).is_err());
        assert!(!where_supported(Ok(false), true).unwrap());
    }
}
