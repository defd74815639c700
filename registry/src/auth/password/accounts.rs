//! Editing the htpasswd file, as `lockgate user` does.
//!
//! Editors exclude each other by a lock on a file beside it (`htpasswd.lock`), and the file is replaced as a whole, so
//! that whoever reads it sees one state or the other. Comments and lines of other tools stay as they are.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use lockgate_files::flock::{self, Kind};
use lockgate_files::rewrite;

use super::account_file;
pub use super::account_name::{AccountName, InvalidAccountName};
use super::htpasswd_parser::Htpasswd;
use super::htpasswd_text::{HtpasswdText, name_and_rest};
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
    /// The name of the account.
    pub name: String,
    /// The number of its line, from 1.
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

    /// Removes every line of an account.
    pub fn remove(&self, name: &AccountName) -> Result<(), AccountsError> {
        self.edit(|text| {
            if text.remove(name) {
                Ok(())
            } else {
                Err(self.missing(name))
            }
        })
    }

    fn edit(&self, change: impl FnOnce(&mut HtpasswdText) -> Result<(), AccountsError>) -> Result<(), AccountsError> {
        // A link stays a link: its target is replaced.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let _lock = self.lock(&path)?;
        let mut text = match fs::read(&path) {
            Ok(bytes) => HtpasswdText(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => HtpasswdText(Vec::new()),
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

/// Why the file was not edited; it is then as it was.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// `add` of an account that is there.
    #[error("{path}: account {name} exists; `lockgate user passwd {name}` gives it another password", path = path.display())]
    Exists {
        /// The account that was asked for.
        name: AccountName,
        /// The htpasswd file.
        path: PathBuf,
    },
    /// `set_password` or `remove` of an account that is not there.
    #[error("{path}: there is no account {name}; `lockgate user list` shows them", path = path.display())]
    Missing {
        /// The account that was asked for.
        name: AccountName,
        /// The htpasswd file.
        path: PathBuf,
    },
    /// The file, its lock or its directory.
    #[error("{path}: cannot {what} the accounts: {source}", path = path.display())]
    File {
        /// The operation that failed: `read`, `write` or `lock`.
        what: &'static str,
        /// The htpasswd file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
