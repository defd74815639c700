//! One instance serves a storage root; its old and its new process may both do so while one hands over to the other.
//!
//! Whoever comes after an instance that was killed waits for what that left: processes that finish what clients sent.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockgate_files::flock::{self, Kind};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::storage::Layout;
use crate::storage::filesystem::disk::files::FILE_MODE;

/// An instance that is ending lets go within this time.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Two numbers of 20 digits and a space fit.
const LENGTH: usize = 47;

/// Why this instance does not get the root.
#[derive(Debug, thiserror::Error)]
pub enum RootLockError {
    /// Another instance serves the storage root.
    #[error(
        "{root} is served by another running instance (pid {pid}, says {path}); stop that, or give this one a \
         storage.filesystem.rootdirectory of its own"
    )]
    Held {
        /// `storage.filesystem.rootdirectory`
        root: PathBuf,
        /// The lock file in the storage root.
        path: PathBuf,
        /// Of the other instance, as it sees itself; 0 when it did not say.
        pid: u32,
    },
    /// The lock file cannot be used.
    #[error("storage.filesystem.rootdirectory = {root}: cannot lock {path}: {source}")]
    File {
        /// `storage.filesystem.rootdirectory`
        root: PathBuf,
        /// The lock file in the storage root.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Who an instance is: `<pid> <something that tells it from an earlier process, or one in a container, of that pid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceId(String);

impl InstanceId {
    /// The process `pid`; it stays the same instance across execve(2).
    pub fn of_process(pid: u32) -> Self {
        // Field 22 of proc_pid_stat(5), when it started; counted behind the command's name, which may hold anything.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let started = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(19));
        Self(format!("{pid} {}", started.unwrap_or("-")))
    }

    /// One that told what [`Self::as_str`] says.
    pub fn told(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As text, on one line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// 0 when it is not said.
    fn pid(&self) -> u32 {
        self.0.split(' ').next().and_then(|pid| pid.parse().ok()).unwrap_or(0)
    }

    /// Whether its process is gone. A confined process may not look at others, but the kernel says who is there.
    fn is_dead(&self) -> bool {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
    }
}

/// The right to serve a storage root, until dropped.
///
/// An flock on `<root>/lockgate.lock`, which holds the instance: whoever comes first gets it exclusively, says who it
/// is, and keeps it shared; another process of the same instance may then share it. The kernel lets go of it with the
/// last of them, however they end. A filesystem without locks, or one that is read-only, goes without.
#[derive(Debug)]
pub struct RootLock {
    lock: Option<File>,
}

impl RootLock {
    /// Takes `root` for `instance`. One that only reads it goes on, with a warning, beside another that serves it; the
    /// others wait for what a killed instance left, for as long as it `keeps_waiting`.
    pub fn take(
        root: &Path,
        instance: &InstanceId,
        reads_only: bool,
        keeps_waiting: impl Fn() -> bool,
    ) -> Result<Self, RootLockError> {
        let path = Layout::root_lock_file(root);
        match acquire(root, &path, instance, || !reads_only && keeps_waiting()) {
            Ok(lock) => Ok(Self { lock }),
            Err(error @ RootLockError::Held { .. }) if reads_only => {
                tracing::warn!("{error}; going on, since this one only reads it");
                Ok(Self { lock: None })
            }
            Err(RootLockError::File { source, .. }) if source.kind() == ErrorKind::ReadOnlyFilesystem => {
                tracing::warn!(path = %path.display(), "not locked: the filesystem is read-only");
                Ok(Self { lock: None })
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for RootLock {
    fn drop(&mut self) {
        // The last process of the instance says that nobody serves. Best effort: the text alone means nothing.
        if let Some(file) = &mut self.lock
            && matches!(flock::try_lock(file, Kind::Exclusive), Ok(true))
        {
            let _ = write_holder(file, "");
        }
    }
}

fn acquire(
    root: &Path,
    path: &Path,
    instance: &InstanceId,
    keeps_waiting: impl Fn() -> bool,
) -> Result<Option<File>, RootLockError> {
    let failed = |source| RootLockError::File {
        root: root.to_owned(),
        path: path.to_owned(),
        source,
    };
    let mut file = flock::open(path, FILE_MODE).map_err(failed)?;
    let began = Instant::now();
    let mut is_said = false;
    loop {
        let holder = match flock::try_lock(&file, Kind::Exclusive) {
            Ok(true) => {
                write_holder(&mut file, &instance.0).map_err(failed)?;
                instance.clone()
            }
            Ok(false) => read_holder(&mut file).map_err(failed)?,
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        // From the lock to a shared one flock(2) may let go in between; whoever comes in then is first.
        if holder == *instance && flock::try_lock(&file, Kind::Shared).map_err(failed)? {
            return Ok(Some(file));
        }
        if began.elapsed() >= RELEASE_TIMEOUT {
            if !(holder.is_dead() && keeps_waiting()) {
                return Err(RootLockError::Held {
                    root: root.to_owned(),
                    path: path.to_owned(),
                    pid: holder.pid(),
                });
            }
            if !std::mem::replace(&mut is_said, true) {
                let (root, killed) = (root.display(), holder.pid());
                tracing::warn!(killed, %root, "waiting for processes of a killed instance to finish");
            }
        }
        std::thread::sleep(RETRY_INTERVAL);
    }
}

/// Over what is there and never shorter, so that on a full disk it needs no space that others may take meanwhile.
fn write_holder(file: &mut File, instance: &str) -> io::Result<()> {
    let line = format!("{instance:<LENGTH$}\n");
    file.rewind()?;
    match file.write_all(line.as_bytes()) {
        // Nobody is told then who serves, and no other process of this instance comes in.
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            tracing::warn!(%error, "the storage root is locked, the lock file does not say by whom");
            file.set_len(0)
        }
        written => written.and_then(|()| file.set_len(line.len() as u64)),
    }
}

fn read_holder(file: &mut File) -> io::Result<InstanceId> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(InstanceId(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_instance_is_refused_and_told_who_serves() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (InstanceId::told("17 1000"), InstanceId::told("17 2000"));
        let first = RootLock::take(root.path(), &one, false, || false).unwrap();
        let error = RootLock::take(root.path(), &other, false, || false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("pid 17") && error.contains(root.path().to_str().unwrap()),
            "{error}"
        );
        RootLock::take(root.path(), &other, true, || false).expect("it only reads");
        drop(first);
        RootLock::take(root.path(), &other, false, || false).expect("it is free");
    }

    #[test]
    fn a_second_process_of_the_instance_shares_it_and_goes_on_alone() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (InstanceId::told("17 1000"), InstanceId::told("18 1000"));
        let old = RootLock::take(root.path(), &one, false, || false).unwrap();
        let new = RootLock::take(root.path(), &one, false, || false).unwrap();
        drop(old);
        assert!(
            RootLock::take(root.path(), &other, false, || false).is_err(),
            "the new one still serves"
        );
        drop(new);
        RootLock::take(root.path(), &other, false, || false).unwrap();
    }

    #[test]
    fn what_a_dead_instance_left_binds_nobody() {
        let root = tempfile::tempdir().unwrap();
        fs::write(Layout::root_lock_file(root.path()), "1 1\n").unwrap();
        RootLock::take(root.path(), &InstanceId::told("2 2"), false, || false).unwrap();
    }

    #[test]
    fn what_a_killed_instance_left_is_waited_for_and_one_that_lives_is_not() {
        let root = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        for (pid, is_waited_for) in [(child.id(), true), (std::process::id(), false)] {
            let left = RootLock::take(root.path(), &InstanceId::told(&format!("{pid} 1")), false, || false).unwrap();
            let left = std::cell::Cell::new(Some(left));
            // Asked once the usual patience is over: then the last process of it ends.
            let keeps_waiting = || left.take().is_some();
            let taken = RootLock::take(root.path(), &InstanceId::told("1 2"), false, keeps_waiting);
            assert_eq!(taken.is_ok(), is_waited_for, "{taken:?}");
        }
    }

    #[test]
    fn an_instance_is_a_process_and_when_it_started() {
        let own = InstanceId::of_process(std::process::id());
        assert_eq!(own, InstanceId::of_process(std::process::id()));
        let started: u64 = own.as_str().split(' ').nth(1).unwrap().parse().unwrap();
        assert!(started > 0);
        assert_ne!(own, InstanceId::of_process(1));
    }
}
