//! Accounts as an administrator handles them: the htpasswd file, edited.
//!
//! Editors exclude each other by a lock on a file beside it (`htpasswd.lock`), and the file is replaced as a whole, so
//! that whoever reads it sees one state or the other. Comments and lines of other tools stay as they are.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lockgate_files::flock::{self, Kind};
use lockgate_files::rewrite;

use super::account_file;
use super::htpasswd::Htpasswd;
pub use super::password_hash::{
    HashKind, InvalidHash, PasswordError, PasswordHash, hash_password, hash_password_bcrypt,
};

/// Mode of the file that editors lock.
const LOCK_MODE: u32 = 0o600;

/// An htpasswd file to edit. Nothing is kept in memory between two calls.
#[derive(Debug, Clone)]
pub struct Accounts {
    path: PathBuf,
}

/// One account of the file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Line number, from 1.
    pub line: usize,
    /// The kind of its hash, or why it cannot log in.
    pub kind: Result<HashKind, InvalidHash>,
}

impl Accounts {
    /// The file at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Every account of the file. A missing file is an error.
    pub fn list(&self) -> Result<Vec<Listed>, AccountsError> {
        let text = fs::read(&self.path).map_err(|source| self.error("read", source))?;
        let text = String::from_utf8_lossy(&text);
        let accounts = text.lines().zip(1..).filter_map(|(text, line)| {
            let (name, rest) = name_and_rest(text.as_bytes())?;
            let hash = rest.split(':').next().unwrap_or_default().trim();
            Some(Listed {
                name: name.to_owned(),
                line,
                kind: hash.parse().map(|hash: PasswordHash| hash.kind()),
            })
        });
        Ok(accounts.collect())
    }

    /// The lines that give nobody access, and why, without what is in them; a word when there is no other.
    pub fn check(&self) -> Result<Vec<String>, AccountsError> {
        let bytes = fs::read(&self.path).map_err(|source| self.error("read", source))?;
        if bytes.len() as u64 > account_file::MAX_SIZE {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 16 MiB");
            return Err(self.error("read", source));
        }
        let parsed = Htpasswd::parse(&bytes);
        let mut lines: Vec<_> = parsed.mistakes.iter().map(ToString::to_string).collect();
        if parsed.accounts.is_empty() {
            lines.push("holds no account, so nobody can log in; `lockgate user add NAME` adds one".to_owned());
        }
        Ok(lines)
    }

    /// Adds an account with a hash from [`hash_password`] or [`hash_password_bcrypt`]. Makes the file when it is missing.
    pub fn add(&self, name: &AccountName, hash: &PasswordHash) -> Result<(), AccountsError> {
        self.edit(|text| {
            if text.lines_of(name).next().is_some() {
                return Err(AccountsError::Exists {
                    name: name.clone(),
                    path: self.path.clone(),
                });
            }
            text.append(name, hash);
            Ok(())
        })
    }

    /// Adds those of `accounts` that are not there, all at once, and names the others. Makes the file when it is missing.
    pub fn add_missing<'a>(
        &self,
        accounts: &'a [(AccountName, PasswordHash)],
    ) -> Result<Vec<&'a AccountName>, AccountsError> {
        let mut others = Vec::new();
        self.edit(|text| {
            let mut names = text.names();
            for (name, hash) in accounts {
                match names.insert(name.as_str().to_owned()) {
                    true => text.append(name, hash),
                    false => others.push(name),
                }
            }
            Ok(())
        })?;
        Ok(others)
    }

    /// Gives an account another password; what follows the hash in its line stays.
    pub fn set_password(&self, name: &AccountName, hash: &PasswordHash) -> Result<(), AccountsError> {
        self.edit(|text| {
            if text.replace(name, hash) {
                Ok(())
            } else {
                Err(self.missing(name))
            }
        })
    }

    /// Removes an account.
    pub fn remove(&self, name: &AccountName) -> Result<(), AccountsError> {
        self.edit(|text| {
            if text.remove(name) {
                Ok(())
            } else {
                Err(self.missing(name))
            }
        })
    }

    fn edit(&self, change: impl FnOnce(&mut Text) -> Result<(), AccountsError>) -> Result<(), AccountsError> {
        // A link stays a link: its target is replaced.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let _lock = self.lock(&path)?;
        let mut text = match fs::read(&path) {
            Ok(bytes) => Text(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Text(Vec::new()),
            Err(source) => return Err(self.error("read", source)),
        };
        change(&mut text)?;
        rewrite(&path, &text.0).map_err(|source| self.error("write", source))
    }

    fn lock(&self, path: &Path) -> Result<File, AccountsError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let locked = || {
            let lock = flock::open(Path::new(&name), LOCK_MODE)?;
            flock::lock(&lock, Kind::Exclusive)?;
            Ok(lock)
        };
        locked().map_err(|source| self.error("lock", source))
    }

    fn missing(&self, name: &AccountName) -> AccountsError {
        AccountsError::Missing {
            name: name.clone(),
            path: self.path.clone(),
        }
    }

    fn error(&self, what: &'static str, source: io::Error) -> AccountsError {
        AccountsError::File {
            what,
            path: self.path.clone(),
            source,
        }
    }
}

/// The file's bytes; lines end in LF or CRLF, and those of other tools may hold anything.
struct Text(Vec<u8>);

impl Text {
    fn names(&self) -> HashSet<String> {
        let lines = self.0.split(|b| *b == b'\n').filter_map(name_and_rest);
        lines.map(|(name, _)| name.to_owned()).collect()
    }

    /// Start and end (after its LF) of each line of `name`.
    fn lines_of<'a>(&'a self, name: &'a AccountName) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        let mut end = 0;
        let lines: Vec<_> = self
            .0
            .split_inclusive(|b| *b == b'\n')
            .map(|line| {
                (end, {
                    end += line.len();
                    end
                })
            })
            .collect();
        lines
            .into_iter()
            .filter(|(start, end)| name_and_rest(&self.0[*start..*end]).is_some_and(|(found, _)| *found == *name.0))
    }

    fn append(&mut self, name: &AccountName, hash: &PasswordHash) {
        if !self.0.is_empty() && !self.0.ends_with(b"\n") {
            self.0.push(b'\n');
        }
        self.0.extend(format!("{name}:{}\n", hash.reveal()).into_bytes());
    }

    /// Changes the line that counts, the last one.
    fn replace(&mut self, name: &AccountName, hash: &PasswordHash) -> bool {
        let Some((start, end)) = self.lines_of(name).next_back() else {
            return false;
        };
        let line = &self.0[start..end];
        let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len() - 1) + 1;
        let rest = &line[colon..];
        let old = rest
            .iter()
            .position(|b| matches!(b, b':' | b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let range = start + colon..start + colon + old;
        self.0.splice(range, hash.reveal().bytes());
        true
    }

    /// Removes every line of `name`: an earlier one must not come into force.
    fn remove(&mut self, name: &AccountName) -> bool {
        let lines: Vec<_> = self.lines_of(name).collect();
        for (start, end) in lines.iter().rev() {
            self.0.drain(start..end);
        }
        !lines.is_empty()
    }
}

/// The account of a line and what follows its colon; `None` for comments and lines that are broken.
fn name_and_rest(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?.trim().trim_start_matches('\u{feff}');
    if line.starts_with('#') {
        return None;
    }
    line.split_once(':').filter(|(name, _)| !name.is_empty())
}

/// An account's name: what a line of the file and an RFC 7617 user-id can both hold.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(Box<str>);

impl AccountName {
    /// Longest name, as `htpasswd` has it.
    pub const MAX_LENGTH: usize = 255;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = InvalidAccountName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = text.chars().any(|c| c == ':' || c.is_control())
            || text.starts_with(['#', '\u{feff}'])
            || text.trim() != text;
        if text.is_empty() || bad || text.len() > Self::MAX_LENGTH {
            return Err(InvalidAccountName);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be an account's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an account's name has 1 to 255 bytes, no `:`, no control character, no space at its ends, and does not begin with `#`"
)]
pub struct InvalidAccountName;

/// Why the file was not edited; it is then as it was.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// `add` of an account that is there.
    #[error("{path}: account {name} exists; `lockgate user passwd {name}` gives it another password", path = path.display())]
    Exists {
        /// The account.
        name: AccountName,
        /// The file.
        path: PathBuf,
    },
    /// `set_password` or `remove` of an account that is not there.
    #[error("{path}: there is no account {name}; `lockgate user list` shows them", path = path.display())]
    Missing {
        /// The account.
        name: AccountName,
        /// The file.
        path: PathBuf,
    },
    /// The file, its lock or its directory.
    #[error("{path}: cannot {what} the accounts: {source}", path = path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    const APR1: &str = "$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/";
    const BCRYPT: &str = "$2y$05$Ewy9nOKhwf7F3HvEJJYmEevuqpfVJcSIEQcw7U2XMMZwzjjpr4Mym";

    fn name(text: &str) -> AccountName {
        text.parse().unwrap()
    }

    fn hash(text: &str) -> PasswordHash {
        text.parse().unwrap()
    }

    fn fixture(text: &str) -> (tempfile::TempDir, Accounts, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("htpasswd");
        if !text.is_empty() {
            fs::write(&path, text).unwrap();
        }
        (directory, Accounts::new(&path), path)
    }

    #[test]
    fn edits_touch_their_own_line_alone() {
        let before = format!("# people\r\n\r\nanna:{APR1}:the boss\r\nbroken line\nbert:{{SHA}}x");
        let (_directory, accounts, path) = fixture(&before);
        accounts.add(&name("carl"), &hash(BCRYPT)).unwrap();
        let added = format!("{before}\ncarl:{BCRYPT}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), added);
        accounts.set_password(&name("anna"), &hash(BCRYPT)).unwrap();
        let changed = added.replace(APR1, BCRYPT);
        assert_eq!(fs::read_to_string(&path).unwrap(), changed);
        accounts.remove(&name("bert")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), changed.replace("bert:{SHA}x\n", ""));
        let listed = accounts.list().unwrap();
        let listed: Vec<_> = listed
            .iter()
            .map(|account| (account.name.as_str(), account.line, account.kind.clone()))
            .collect();
        assert_eq!(
            listed,
            [("anna", 3, Ok(HashKind::Bcrypt)), ("carl", 5, Ok(HashKind::Bcrypt))]
        );
    }

    #[test]
    fn many_accounts_are_added_at_once_and_those_that_are_there_stay() {
        let before = format!("# people\r\nanna:{APR1}:the boss\nbroken line\nbert:{{SHA}}x");
        let (_directory, accounts, path) = fixture(&before);
        let many = ["carl", "anna", "carl", "bert", "dora"].map(|text| (name(text), hash(BCRYPT)));
        let there = accounts.add_missing(&many).unwrap();
        assert_eq!(there, [&name("anna"), &name("carl"), &name("bert")]);
        let added = format!("{before}\ncarl:{BCRYPT}\ndora:{BCRYPT}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), added);

        let (_directory, accounts, _) = fixture("");
        let many: Vec<_> = (0..10_000)
            .map(|number| (name(&format!("u{number}")), hash(BCRYPT)))
            .collect();
        assert!(accounts.add_missing(&many).unwrap().is_empty());
        assert_eq!(accounts.list().unwrap().len(), many.len());
    }

    #[test]
    fn a_refused_edit_changes_nothing_and_names_the_command_that_would_work() {
        let (_directory, accounts, path) = fixture(&format!("anna:{APR1}\n"));
        let before = fs::metadata(&path).unwrap();
        let error = accounts.add(&name("anna"), &hash(BCRYPT)).unwrap_err().to_string();
        assert!(error.contains("lockgate user passwd anna"), "{error}");
        for error in [
            accounts.remove(&name("bert")),
            accounts.set_password(&name("bert"), &hash(BCRYPT)),
        ] {
            assert!(error.unwrap_err().to_string().contains("no account bert"));
        }
        let after = fs::metadata(&path).unwrap();
        assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    }

    #[test]
    fn mode_and_link_are_kept_and_a_new_file_is_private() {
        let (directory, accounts, path) = fixture(&format!("anna:{APR1}\n"));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        Accounts::new(&link).add(&name("bert"), &hash(BCRYPT)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(accounts.list().unwrap().len(), 2);

        let new = directory.path().join("new");
        Accounts::new(&new).add(&name("anna"), &hash(BCRYPT)).unwrap();
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o7777, 0o600);
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["htpasswd", "htpasswd.lock", "link", "new", "new.lock"]);
    }

    #[test]
    fn removing_an_account_removes_all_its_lines() {
        let (_directory, accounts, path) = fixture(&format!("anna:{APR1}\nbert:{APR1}\nanna:{BCRYPT}\n"));
        accounts.remove(&name("anna")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("bert:{APR1}\n"));
    }

    #[test]
    fn editors_at_the_same_time_lose_nothing() {
        let (_directory, accounts, _) = fixture("");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let accounts = &accounts;
                scope.spawn(move || accounts.add(&name(&format!("account{number}")), &hash(BCRYPT)).unwrap());
            }
        });
        assert_eq!(accounts.list().unwrap().len(), 16);
    }

    #[test]
    fn names_that_break_the_file_are_refused() {
        for text in ["", "a:b", "#a", " a", "a\n", "a\0", &"x".repeat(256)] {
            assert_eq!(text.parse::<AccountName>(), Err(InvalidAccountName), "{text:?}");
        }
        for text in ["a", "anna@example.com", "Ännä", "a b", &"x".repeat(255)] {
            assert!(text.parse::<AccountName>().is_ok(), "{text:?}");
        }
    }
}
