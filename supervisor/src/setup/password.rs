//! The first account's password: made once, kept in a file for its owner alone.

use std::io;
use std::path::{Path, PathBuf};

use lockgate_config::{Secret, text};
use lockgate_files::{Existing, WriteError, write_private};

/// Letters and digits without those that are mistaken for others: 32 of them, 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
/// Characters; 120 bits.
const LENGTH: usize = 24;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("{}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {source}", .path.display())]
    Text { path: PathBuf, source: text::NotText },
    #[error("{}: empty; write a password into it, or remove it to have one made", .path.display())]
    Empty { path: PathBuf },
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the system gave no random bytes: {0}")]
    Random(io::Error),
}

/// Where a password came from.
#[derive(Debug)]
pub(crate) enum Password {
    /// Generated and written to the file: shown once.
    Made(Secret),
    /// Read from the environment or a file that was supplied: never shown.
    Supplied(Secret),
}

impl Password {
    pub(crate) fn secret(&self) -> &Secret {
        match self {
            Self::Made(secret) | Self::Supplied(secret) => secret,
        }
    }
}

/// The password in `path` when there is one, else a new one that is written there, mode 0600.
pub(crate) fn kept_in(path: &Path) -> Result<Password, PasswordError> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let text = text::decode(&bytes).map_err(|source| PasswordError::Text {
                path: path.to_owned(),
                source,
            })?;
            let password = text.lines().next().unwrap_or_default();
            if password.is_empty() {
                return Err(PasswordError::Empty { path: path.to_owned() });
            }
            Ok(Password::Supplied(Secret::new(password)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let password = random().map_err(PasswordError::Random)?;
            write_private(path, format!("{password}\n"), Existing::Keep)?;
            Ok(Password::Made(Secret::new(password)))
        }
        Err(source) => Err(PasswordError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0_u8; LENGTH];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    // 256 is a multiple of 32: every letter is as likely as any other.
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn made_once_then_reused() {
        // proves: SECURE-09, SECURE-10
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let Password::Made(first) = kept_in(&path).unwrap() else {
            panic!("nothing was there")
        };
        assert_eq!(first.reveal().len(), LENGTH);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let Password::Supplied(second) = kept_in(&path).unwrap() else {
            panic!("it was there")
        };
        assert_eq!(first, second);
    }

    #[test]
    fn an_empty_file_is_no_password() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(kept_in(&path), Err(PasswordError::Empty { .. })));
    }

    #[test]
    fn what_windows_wrote_is_read_or_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        for bytes in [
            b"\xef\xbb\xbfs\xc3\xbcss\r\n".as_slice(),
            b"s\xc3\xbcss\n",
            b"s\xc3\xbcss",
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(kept_in(&path).unwrap().secret().reveal(), "s\u{fc}ss");
        }
        for (bytes, expected) in [
            (b"s\xfcss\n".as_slice(), "line 1: the byte 0xFC"),
            (b"\xff\xfes\0", "line 1: UTF-16"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = kept_in(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("password: "), "{error}");
        }
        std::fs::write(&path, "\u{feff}\n").unwrap();
        assert!(matches!(kept_in(&path), Err(PasswordError::Empty { .. })));
    }

    #[test]
    fn two_passwords_differ() {
        assert_ne!(random().unwrap(), random().unwrap());
    }
}
