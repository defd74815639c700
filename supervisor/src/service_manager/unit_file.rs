//! A unit file on disk. Its first line holds a checksum of the rest: a unit that somebody edited is told from one that
//! was only made by another version or with other arguments.

use std::io;
use std::path::{Path, PathBuf};

use lockgate_files::{Existing, WriteError, write_public};
use sha2::{Digest, Sha256};

/// The first line, up to the checksum.
const MARK: &str = "# Made by `lockgate service install`; keep changes in a drop-in (`systemctl edit`). sha256:";
/// Lines of difference that are shown.
const SHOWN: usize = 10;

/// Whether a unit that Lockgate did not write, or that somebody edited, may be replaced or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Such a unit stays.
    Missing,
    /// `--force` was given.
    Given,
}

/// What writing a unit has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitChange {
    /// There was no unit before.
    Created,
    /// A unit of Lockgate was replaced, or any unit with `--force`.
    Replaced,
    /// The unit was there already, byte for byte.
    Unchanged,
}

/// Why a unit file stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnitFileError {
    /// Somebody edited it, or made it.
    #[error("{}: {state}, and is kept; put changes into a drop-in (`systemctl edit {unit}`), or replace it with --force\n{difference}", .path.display())]
    Foreign {
        path: PathBuf,
        state: &'static str,
        unit: String,
        difference: String,
    },
    #[error("{}: {source}", .path.display())]
    System { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The path of a unit, whether it exists or not.
#[derive(Debug, Clone)]
pub(crate) struct UnitFile {
    path: PathBuf,
}

/// Who wrote the unit that is there.
enum State {
    Missing,
    Ours(String),
    Edited(String),
    Foreign(String),
}

impl UnitFile {
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        Self {
            path: directory.join(name),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// What [`Self::write`] would change, or why it would refuse.
    pub(crate) fn check(&self, text: &str, consent: Consent) -> Result<UnitChange, UnitFileError> {
        let wanted = marked(text);
        let (state, present) = match self.state()? {
            State::Missing => return Ok(UnitChange::Created),
            State::Ours(present) | State::Edited(present) | State::Foreign(present) if present == wanted => {
                return Ok(UnitChange::Unchanged);
            }
            State::Ours(_) => return Ok(UnitChange::Replaced),
            State::Edited(present) => ("has been edited", present),
            State::Foreign(present) => ("was not made by lockgate", present),
        };
        match consent {
            Consent::Given => Ok(UnitChange::Replaced),
            Consent::Missing => Err(self.foreign(state, difference(&present, &wanted))),
        }
    }

    /// Writes the unit; one that somebody edited stays unless they consent.
    pub(crate) fn write(&self, text: &str, consent: Consent) -> Result<UnitChange, UnitFileError> {
        let written = self.check(text, consent)?;
        if written != UnitChange::Unchanged {
            write_public(&self.path, marked(text), Existing::Overwrite)?;
        }
        Ok(written)
    }

    /// Whether there is one, edited or not; one that was never ours is an error without consent.
    pub(crate) fn is_removable(&self, consent: Consent) -> Result<bool, UnitFileError> {
        match self.state()? {
            State::Missing => Ok(false),
            State::Foreign(_) if consent == Consent::Missing => {
                Err(self.foreign("was not made by lockgate", String::new()))
            }
            _ => Ok(true),
        }
    }

    pub(crate) fn remove(&self) -> Result<(), UnitFileError> {
        std::fs::remove_file(&self.path).map_err(|source| self.failed(source))
    }

    fn state(&self) -> Result<State, UnitFileError> {
        let present = match std::fs::read_to_string(&self.path) {
            Ok(present) => present,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Missing),
            Err(source) => return Err(self.failed(source)),
        };
        Ok(match present.split_once('\n') {
            Some((first, rest)) if first.starts_with(MARK) => {
                let ours = first[MARK.len()..].trim() == checksum(rest);
                if ours {
                    State::Ours(present)
                } else {
                    State::Edited(present)
                }
            }
            _ => State::Foreign(present),
        })
    }

    fn foreign(&self, state: &'static str, difference: String) -> UnitFileError {
        UnitFileError::Foreign {
            path: self.path.clone(),
            state,
            unit: self.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            difference,
        }
    }

    fn failed(&self, source: io::Error) -> UnitFileError {
        UnitFileError::System {
            path: self.path.clone(),
            source,
        }
    }
}

fn marked(text: &str) -> String {
    format!("{MARK} {}\n{text}", checksum(text))
}

fn checksum(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lines that only one of both has, in their order; the checksum says nothing to a person.
fn difference(present: &str, wanted: &str) -> String {
    let only = |of: &str, other: &str, sign| {
        let other: Vec<&str> = other.lines().collect();
        let lines = of
            .lines()
            .filter(|line| !other.contains(line) && !line.starts_with(MARK));
        lines.map(|line| format!("{sign} {line}")).collect::<Vec<_>>()
    };
    let mut lines = only(present, wanted, "  there:");
    lines.extend(only(wanted, present, "  wanted:"));
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("  and {more} more lines"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[Service]\nExecStart=/x\n";

    #[test]
    fn an_edited_unit_stays_until_somebody_consents() {
        let directory = tempfile::tempdir().unwrap();
        let unit = UnitFile::new(directory.path(), "lockgate.service");
        assert_eq!(unit.write(TEXT, Consent::Missing).unwrap(), UnitChange::Created);
        assert_eq!(unit.write(TEXT, Consent::Missing).unwrap(), UnitChange::Unchanged);
        let newer = TEXT.replace("/x", "/y");
        assert_eq!(unit.write(&newer, Consent::Missing).unwrap(), UnitChange::Replaced);

        let edited = std::fs::read_to_string(unit.path()).unwrap() + "Nice=5\n";
        std::fs::write(unit.path(), &edited).unwrap();
        let error = unit.write(&newer, Consent::Missing).unwrap_err().to_string();
        assert!(
            error.contains("has been edited") && error.contains("there: Nice=5"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(unit.path()).unwrap(), edited);
        assert_eq!(unit.write(&newer, Consent::Given).unwrap(), UnitChange::Replaced);
        assert!(unit.is_removable(Consent::Missing).unwrap());
        unit.remove().unwrap();
        assert!(!unit.is_removable(Consent::Missing).unwrap());
    }

    #[test]
    fn a_unit_of_somebody_else_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let unit = UnitFile::new(directory.path(), "lockgate.service");
        std::fs::write(unit.path(), TEXT).unwrap();
        assert!(unit.is_removable(Consent::Missing).is_err() && unit.check(TEXT, Consent::Missing).is_err());
        assert!(unit.is_removable(Consent::Given).unwrap());
    }
}
