//! The result of confinement, as one line for the log.

use std::fmt;

use landlock::RulesetError;
use nix::unistd::{getegid, geteuid};

use super::landlock::Enforced;

/// The result of [`enter`](super::enter).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    user: u32,
    group: u32,
    landlock: Result<Enforced, String>,
}

impl Report {
    pub(super) fn new(landlock: Result<Enforced, RulesetError>) -> Self {
        Self {
            user: geteuid().as_raw(),
            group: getegid().as_raw(),
            landlock: landlock.map_err(|error| error.to_string()),
        }
    }

    /// Whether other files are out of reach.
    fn is_whole(&self) -> bool {
        matches!(self.landlock, Ok(Enforced::Abi(_)))
    }

    /// Logs it, as a warning when confinement is not complete.
    pub(crate) fn log(&self) {
        if self.is_whole() {
            tracing::info!("{self}");
        } else {
            tracing::warn!("{self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "confined: user {}, group {}; ", self.user, self.group)?;
        match &self.landlock {
            Ok(Enforced::Abi(abi)) => {
                f.write_str("own files alone")?;
                for (since, what) in [
                    (4, "no TCP of its own"),
                    (6, "no signals to others"),
                    (9, "own sockets alone"),
                ] {
                    if *abi >= since {
                        write!(f, ", {what}")?;
                    }
                }
                write!(f, " (Landlock ABI {abi})")?;
            }
            Ok(Enforced::Missing(why)) => write!(f, "other files are NOT out of its reach: {why}")?,
            Err(error) => write!(f, "other files are NOT out of its reach: Landlock: {error}")?,
        }
        f.write_str("; no new privileges, no core files")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(landlock: Result<Enforced, String>) -> String {
        let (user, group) = (65_532, 65_532);
        Report { user, group, landlock }.to_string()
    }

    #[test]
    fn what_a_kernel_lacks_is_said() {
        assert_eq!(
            line(Ok(Enforced::Abi(7))),
            "confined: user 65532, group 65532; own files alone, no TCP of its own, no signals to others (Landlock ABI 7); \
             no new privileges, no core files"
        );
        assert!(!line(Ok(Enforced::Abi(3))).contains("TCP"));
        for missing in [
            Ok(Enforced::Missing("this kernel has no Landlock")),
            Err("EPERM".to_owned()),
        ] {
            let report = Report {
                user: 1,
                group: 1,
                landlock: missing,
            };
            assert!(!report.is_whole());
            assert!(report.to_string().contains("NOT out of its reach"), "{report}");
        }
    }
}
