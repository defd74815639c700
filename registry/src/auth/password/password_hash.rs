//! One account's stored password: which hashes are understood, made and checked.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc::PasswordHash as PhcString;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::apr1;

/// Longest password that is hashed at all; a longer one is wrong.
pub(super) const MAX_PASSWORD_LENGTH: usize = 1024;
/// bcrypt ignores what comes after.
const BCRYPT_MAX_PASSWORD_LENGTH: usize = 72;
const BCRYPT_COST: u32 = 12;
/// 2^18 rounds take a core some fifteen seconds.
const BCRYPT_MAX_COST: u32 = 18;
/// KiB: one check must not take a small machine's memory.
const ARGON2_MAX_MEMORY: u32 = 256 * 1024;
const ARGON2_MAX_PASSES: u32 = 64;

/// Hashes `password` as new accounts get it: argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane).
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    check_length(password, MAX_PASSWORD_LENGTH)?;
    let hash: PhcString = argon2id()
        .hash_password(password.as_bytes())
        .map_err(|_| PasswordError::Random)?;
    Ok(hash.to_string())
}

/// Hashes `password` with bcrypt (`$2y$`, cost 12), for a file that is shared with nginx or Apache.
pub fn hash_password_bcrypt(password: &str) -> Result<String, PasswordError> {
    check_length(password, BCRYPT_MAX_PASSWORD_LENGTH)?;
    let parts = bcrypt::hash_with_result(password, BCRYPT_COST).map_err(|_| PasswordError::Random)?;
    Ok(parts.format_for_version(bcrypt::Version::TwoY))
}

/// Whether `password` has a control character that no password has.
pub(in crate::auth) fn has_control(password: &str) -> bool {
    password
        .chars()
        .any(|character| character.is_control() && character != '\t')
}

fn check_length(password: &str, most: usize) -> Result<(), PasswordError> {
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    // NUL ends a password in bcrypt, and no client can type it.
    if has_control(password) {
        return Err(PasswordError::Control);
    }
    if password.len() > most {
        return Err(PasswordError::TooLong { most });
    }
    Ok(())
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Why a password cannot be hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The password has no characters.
    #[error("the password is empty")]
    Empty,
    /// A line break, NUL or another control character but a tab.
    #[error("the password holds a control character")]
    Control,
    /// Too long for the kind of hash.
    #[error("the password is longer than {most} bytes")]
    TooLong {
        /// How many bytes a password may have.
        most: usize,
    },
    /// The system has no randomness.
    #[error("the system gave no random salt")]
    Random,
}

/// A password's hash as an htpasswd line holds it. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Box<str>,
    kind: HashKind,
}

/// The kinds of hash that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// argon2id, `$argon2id$` in the PHC string format.
    Argon2id,
    /// bcrypt, as `$2a$`, `$2b$` or `$2y$`.
    Bcrypt,
    /// Apache's MD5-crypt, `$apr1$`.
    Apr1,
}

impl PasswordHash {
    /// Which algorithm made the hash.
    pub fn kind(&self) -> HashKind {
        self.kind
    }

    /// The hash as the file has it; a secret.
    pub(in crate::auth) fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether `password` is the right one. Takes milliseconds of a core, and argon2's memory.
    pub fn verify(&self, password: &str) -> bool {
        if password.len() > MAX_PASSWORD_LENGTH {
            return false;
        }
        match self.kind {
            HashKind::Argon2id => PhcString::new(&self.text)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()),
            HashKind::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            HashKind::Apr1 => verify_apr1(&self.text, password),
        }
    }
}

fn verify_apr1(text: &str, password: &str) -> bool {
    let Some((salt, expected)) = text.strip_prefix("$apr1$").and_then(|rest| rest.split_once('$')) else {
        return false;
    };
    let digest = apr1::digest(password.as_bytes(), salt.as_bytes());
    verify_slices_are_equal(&digest, expected.as_bytes()).is_ok()
}

impl FromStr for PasswordHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = if text.starts_with("$argon2") {
            check_argon2(text)?;
            HashKind::Argon2id
        } else if text.starts_with("$2") {
            check_bcrypt(text)?;
            HashKind::Bcrypt
        } else if let Some(rest) = text.strip_prefix("$apr1$") {
            check_apr1(rest)?;
            HashKind::Apr1
        } else {
            return Err(refused(text));
        };
        Ok(Self {
            text: text.into(),
            kind,
        })
    }
}

fn check_argon2(text: &str) -> Result<(), InvalidHash> {
    let malformed = InvalidHash::Malformed { kind: "argon2id" };
    if !text.starts_with("$argon2id$") {
        return Err(InvalidHash::Refused {
            what: "argon2i and argon2d hashes",
        });
    }
    let hash = PhcString::new(text).map_err(|_| malformed.clone())?;
    let params = Params::try_from(&hash).map_err(|_| malformed.clone())?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(malformed);
    }
    if params.m_cost() > ARGON2_MAX_MEMORY || params.t_cost() > ARGON2_MAX_PASSES {
        return Err(InvalidHash::Costly {
            kind: "argon2id",
            most: "m=262144 (256 MiB), t=64",
        });
    }
    Ok(())
}

fn check_bcrypt(text: &str) -> Result<(), InvalidHash> {
    if text.starts_with("$2x$") {
        return Err(InvalidHash::Refused {
            what: "$2x$ hashes (of a faulty implementation)",
        });
    }
    let parts: bcrypt::HashParts = text.parse().map_err(|_| InvalidHash::Malformed { kind: "bcrypt" })?;
    match parts.get_cost() {
        4..=BCRYPT_MAX_COST => Ok(()),
        0..4 => Err(InvalidHash::Malformed { kind: "bcrypt" }),
        _ => Err(InvalidHash::Costly {
            kind: "bcrypt",
            most: "a cost of 18",
        }),
    }
}

fn check_apr1(rest: &str) -> Result<(), InvalidHash> {
    let well_formed = rest.split_once('$').is_some_and(|(salt, digest)| {
        (1..=apr1::MAX_SALT_LENGTH).contains(&salt.len())
            && digest.len() == apr1::ENCODED_LENGTH
            && apr1::is_encoded(digest)
    });
    if well_formed {
        Ok(())
    } else {
        Err(InvalidHash::Malformed { kind: "apr1" })
    }
}

fn refused(text: &str) -> InvalidHash {
    let what = if text.is_empty() {
        "accounts without a password"
    } else if text.starts_with("{SHA}") {
        "{SHA} hashes (unsalted SHA-1)"
    } else if text.starts_with("{SSHA}") {
        "{SSHA} hashes (SHA-1)"
    } else if text.starts_with("$1$") {
        "MD5-crypt hashes"
    } else if text.starts_with("$5$") || text.starts_with("$6$") {
        "SHA-crypt hashes"
    } else if text.starts_with('$') || text.starts_with('{') {
        "hashes of this kind"
    } else {
        "plain-text passwords and crypt hashes"
    };
    InvalidHash::Refused { what }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}([redacted])", self.kind)
    }
}

impl fmt::Display for HashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argon2id => "argon2id",
            Self::Bcrypt => "bcrypt",
            Self::Apr1 => "apr1",
        })
    }
}

/// Why a text is no hash that is accepted. Never holds the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// A kind that is too weak, or unknown.
    #[error("{what} are refused; make an argon2id one with `lockgate user passwd`, or a bcrypt one with `htpasswd -B`")]
    Refused {
        /// The kind, in the plural.
        what: &'static str,
    },
    /// A known kind that is written wrongly.
    #[error("this is no well-formed {kind} hash; was the line cut?")]
    Malformed {
        /// The kind of hash.
        kind: &'static str,
    },
    /// One that would take minutes or gigabytes to check.
    #[error("this {kind} hash costs more than {most}, which would let one login stall the server")]
    Costly {
        /// The kind of hash.
        kind: &'static str,
        /// The highest cost that is accepted.
        most: &'static str,
    },
}

#[cfg(test)]
#[path = "password_hash_tests.rs"]
mod tests;
