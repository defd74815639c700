//! `run/lockgate.pid`: one supervisor a home. The lock says whether it lives, the text says who it is.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lockgate_files::FileId;
use lockgate_files::flock::{self, Kind};
use nix::unistd::Pid;

/// [`Lock::holder`] holds the lock for a moment, which is no reason to give up.
const LOOK_TIMEOUT: Duration = Duration::from_millis(50);
/// The group may ask who holds it.
const MODE: u32 = 0o640;

/// Why the lock cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another supervisor holds it.
    #[error("{}: this home is in use by a running lockgate{}", .path.display(), pid_of(.pid))]
    Held { path: PathBuf, pid: Option<Pid> },
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
}

fn pid_of(pid: &Option<Pid>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// Whether the one before ended without dropping its lock in order.
    pub(crate) after_crash: bool,
}

impl Lock {
    /// Takes the lock and writes this process's pid.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = flock::open(path, MODE).map_err(failed)?;
        if !flock::lock_within(&file, Kind::Exclusive, LOOK_TIMEOUT).map_err(failed)? {
            return Err(LockError::Held {
                path: path.to_owned(),
                pid: read_pid(&mut file).map_err(failed)?,
            });
        }
        let after_crash = read_pid(&mut file).map_err(failed)?.is_some();
        rewrite(&mut file, &format!("{}\n", std::process::id())).map_err(failed)?;
        Ok(Self { file, after_crash })
    }

    /// Takes it anew when its file was removed: another supervisor would not see that this one lives. Says whether it was.
    pub(crate) fn restore(&mut self, path: &Path) -> Result<bool, LockError> {
        let is_removed = self.file.metadata().is_ok_and(|held| held.nlink() == 0);
        if is_removed {
            let after_crash = self.after_crash;
            *self = Self::take(path)?;
            self.after_crash = after_crash;
        }
        Ok(is_removed)
    }

    /// Goes on with a lock that another binary took in this process.
    pub(crate) fn adopt(path: &Path, file: &File) -> Result<Self, LockError> {
        let failed = |source| LockError::File {
            path: path.to_owned(),
            source,
        };
        let file = file.try_clone().map_err(failed)?;
        // The same open file has the lock already, so this cannot be denied.
        match flock::try_lock(&file, Kind::Exclusive).map_err(failed)? {
            true => Ok(Self {
                file,
                after_crash: false,
            }),
            false => Err(failed(io::ErrorKind::WouldBlock.into())),
        }
    }

    /// The supervisor that holds the lock at `path`, if one does.
    pub(crate) fn holder(path: &Path) -> Result<Option<Pid>, LockError> {
        let failed = |source| LockError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if flock::try_lock(&file, Kind::Shared).map_err(failed)? {
            flock::unlock(&file).map_err(failed)?;
            return Ok(None);
        }
        let pid = read_pid(&mut file).map_err(failed)?;
        Ok(pid.filter(|pid| may_have_open(*pid, &file)))
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Best effort: a pid that stays behind only says that the end was not in order.
        let _ = rewrite(&mut self.file, "");
        // Now, and not when the last descriptor is closed: a child that was just forked has one too.
        let _ = flock::unlock(&self.file);
    }
}

fn read_pid(file: &mut File) -> io::Result<Option<Pid>> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text.trim().parse().ok().map(Pid::from_raw))
}

/// Whether the process may be the one that holds `file`: its number may be another's by now, and the lock somebody's
/// who only copies the file. Whose descriptors cannot be seen is not signalled without its user's right either.
fn may_have_open(pid: Pid, file: &File) -> bool {
    let Ok(wanted) = file.metadata() else { return true };
    let is_it = |found: std::fs::Metadata| FileId::of(&found) == FileId::of(&wanted);
    match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(open) => open
            .flatten()
            .any(|descriptor| std::fs::metadata(descriptor.path()).is_ok_and(is_it)),
        Err(error) => error.kind() != io::ErrorKind::NotFound || !Path::new("/proc/self").exists(),
    }
}

fn rewrite(file: &mut File, text: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_and_told_who_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lockgate.pid");
        assert_eq!(Lock::holder(&path).unwrap(), None);
        let lock = Lock::take(&path).unwrap();
        assert!(!lock.after_crash);
        assert_eq!(Lock::holder(&path).unwrap(), Some(Pid::this()));
        let error = Lock::take(&path).unwrap_err();
        assert!(error.to_string().contains(&format!("pid {}", Pid::this())), "{error}");
        drop(lock);
        assert_eq!(Lock::holder(&path).unwrap(), None);
        assert!(!Lock::take(&path).unwrap().after_crash);
    }

    #[test]
    fn a_number_that_is_another_process_by_now_is_nobodys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lockgate.pid");
        let mut foreign = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        std::fs::write(&path, format!("{}\n", foreign.id())).unwrap();
        // A backup, say.
        let held = File::open(&path).unwrap();
        flock::lock(&held, Kind::Exclusive).unwrap();
        let holder = Lock::holder(&path);
        foreign.kill().unwrap();
        foreign.wait().unwrap();
        assert_eq!(holder.unwrap(), None);
    }

    #[test]
    fn a_pid_left_behind_tells_of_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lockgate.pid");
        std::fs::write(&path, "1\n").unwrap();
        assert_eq!(Lock::holder(&path).unwrap(), None, "the text alone means nothing");
        assert!(Lock::take(&path).unwrap().after_crash);
    }
}
