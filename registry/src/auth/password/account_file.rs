//! The htpasswd file that logins are checked against; it is read again, as a whole, when it has changed.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use lockgate_files::Stamp;

use super::htpasswd_parser::{Account, Htpasswd};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Nobody has so many accounts; a log file named by mistake is not read into memory.
pub(super) const MAX_SIZE: u64 = 16 << 20;

/// The file, watched by looking at its time stamp, size and inode: before a password is tested, and otherwise at most once
/// a second.
pub(in crate::auth) struct AccountFile {
    path: PathBuf,
    loaded: ArcSwap<Loaded>,
    started: Instant,
    /// Milliseconds since `started` until which nobody looks.
    next_look: AtomicU64,
}

/// One state of the file.
pub(in crate::auth) struct Loaded {
    accounts: HashMap<Box<str>, Arc<Account>>,
    in_order: Vec<Arc<Account>>,
    stamp: SettledStamp,
    content: [u8; 32],
}

/// The stamp of a file that nobody is writing; `None` while a further change could leave it as it is, or when somebody
/// wrote while the file was read.
type SettledStamp = Option<Stamp>;

impl AccountFile {
    /// Reads the file; mistakes in it are logged.
    pub(in crate::auth) fn open(path: &Path) -> Result<Self, std::io::Error> {
        let loaded = Loaded::read(path)?;
        let file = Self {
            path: path.into(),
            loaded: ArcSwap::from_pointee(loaded),
            started: Instant::now(),
            next_look: AtomicU64::new(0),
        };
        Ok(file)
    }

    pub(in crate::auth) fn path(&self) -> &Path {
        &self.path
    }

    /// The accounts as of now, give or take a second.
    pub(in crate::auth) fn current(&self, now: Instant) -> arc_swap::Guard<Arc<Loaded>> {
        let elapsed = u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX);
        let due = self.next_look.load(Ordering::Relaxed);
        if elapsed >= due {
            let next = elapsed.saturating_add(LOOK_EVERY.as_millis() as u64);
            // One caller looks; the others go on with what is loaded.
            if self
                .next_look
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                self.look();
            }
        }
        self.loaded.load()
    }

    /// The accounts as of now. Looks at the file, and reads it if it changed: not for who must not wait.
    pub(super) fn as_it_is(&self) -> arc_swap::Guard<Arc<Loaded>> {
        self.look();
        self.loaded.load()
    }

    /// Reads the file again if it changed. One that cannot be read leaves the accounts as they are.
    fn look(&self) {
        let loaded = self.loaded.load();
        let path = self.path.display();
        match std::fs::metadata(&self.path) {
            Ok(metadata) if loaded.stamp == Some(Stamp::from_metadata(&metadata)) => {}
            Ok(_) => match Loaded::read(&self.path) {
                Ok(new) if new.content == loaded.content => self.loaded.store(Arc::new(loaded.restamped(new.stamp))),
                Ok(new) => {
                    tracing::info!(%path, accounts = new.in_order.len(), "the accounts changed");
                    self.loaded.store(Arc::new(new));
                }
                Err(error) => {
                    tracing::warn!(%path, %error, "cannot read the accounts; those read before stay in force")
                }
            },
            Err(error) => tracing::warn!(%path, %error, "cannot read the accounts; those read before stay in force"),
        }
    }
}

impl Loaded {
    pub(in crate::auth) fn account(&self, name: &str) -> Option<&Arc<Account>> {
        self.accounts.get(name)
    }

    /// Some account of the file, always the same one for the same `number`.
    pub(super) fn any_account(&self, number: u64) -> Option<&Arc<Account>> {
        let count = self.in_order.len() as u64;
        self.in_order.get(usize::try_from(number.checked_rem(count)?).ok()?)
    }

    fn read(path: &Path) -> Result<Self, std::io::Error> {
        let mut file = File::open(path)?;
        let before = Stamp::from_metadata(&file.metadata()?);
        let mut bytes = Vec::new();
        if (&mut file).take(MAX_SIZE + 1).read_to_end(&mut bytes)? as u64 > MAX_SIZE {
            return Err(std::io::Error::new(
                std::io::ErrorKind::FileTooLarge,
                "the file is larger than 16 MiB",
            ));
        }
        let after = Stamp::from_metadata(&file.metadata()?);
        // When somebody was writing meanwhile (`htpasswd` writes in place), it is read again soon.
        let stamp = (after == before && after.is_settled(SystemTime::now())).then_some(after);
        let parsed = Htpasswd::parse(&bytes);
        for mistake in &parsed.mistakes {
            tracing::warn!(path = %path.display(), line = mistake.number, "accounts: {mistake}");
        }
        Ok(Self::new(parsed, stamp, sha256(&bytes)))
    }

    fn new(parsed: Htpasswd, stamp: SettledStamp, content: [u8; 32]) -> Self {
        let accounts = parsed.accounts;
        let mut in_order: Vec<_> = accounts.values().cloned().collect();
        in_order.sort_by_key(|account| account.number);
        Self {
            accounts,
            in_order,
            stamp,
            content,
        }
    }

    fn restamped(&self, stamp: SettledStamp) -> Self {
        Self {
            accounts: self.accounts.clone(),
            in_order: self.in_order.clone(),
            stamp,
            content: self.content,
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const APR1: &str = "$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/";
    const SECOND: Duration = Duration::from_secs(1);

    fn write(path: &Path, text: String) {
        std::fs::write(path, text).unwrap();
    }

    fn has(file: &AccountFile, name: &str, at: Instant) -> bool {
        file.current(at).account(name).is_some()
    }

    #[test]
    fn a_changed_file_is_in_force_a_second_later_and_not_looked_at_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("htpasswd");
        write(&path, format!("anna:{APR1}\n"));
        let file = AccountFile::open(&path).unwrap();
        let now = file.started;
        assert!(has(&file, "anna", now));
        write(&path, format!("bert:{APR1}\n"));
        assert!(has(&file, "anna", now + SECOND / 2));
        assert!(!has(&file, "anna", now + SECOND) && has(&file, "bert", now + SECOND));
        // Replaced by a rename, as editors do; same size, so only inode and times tell.
        write(&directory.path().join("new"), format!("carl:{APR1}\n"));
        std::fs::rename(directory.path().join("new"), &path).unwrap();
        assert!(has(&file, "carl", now + SECOND * 2));
    }

    #[test]
    fn a_file_that_is_gone_or_unreadable_leaves_the_accounts_in_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("htpasswd");
        write(&path, format!("anna:{APR1}\n"));
        let file = AccountFile::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(has(&file, "anna", file.started + SECOND));
        std::fs::create_dir(&path).unwrap();
        assert!(has(&file, "anna", file.started + SECOND * 2));
        std::fs::remove_dir(&path).unwrap();
        write(&path, format!("bert:{APR1}\n"));
        assert!(!has(&file, "anna", file.started + SECOND * 3) && has(&file, "bert", file.started + SECOND * 3));
        assert!(AccountFile::open(&directory.path().join("none")).is_err());
    }
}
