//! The last attempt to order, kept on disk: a registry that restarts in a loop must not order each time.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Waits after failures: Let's Encrypt refuses an account whose proofs of a name fail more than five times in an hour,
/// and these are the fifth within 30 minutes and the sixth after an hour.
const FIRST_WAIT: Duration = Duration::from_secs(2 * 60);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(6 * 60 * 60);

/// An attempt that has not made a certificate, or not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) hosts: Vec<String>,
    /// How many failed in a row, with this one.
    pub(crate) failures: u32,
    /// Seconds since 1970, UTC.
    pub(crate) began: u64,
    /// When the next attempt may begin; seconds since 1970, UTC.
    pub(crate) not_before: u64,
    pub(crate) problem: String,
}

impl Attempt {
    /// Begins an attempt at `now`, after `previous` for the same names. `jitter`, out of 255, spreads the retries of many
    /// registries that failed at the same time.
    pub(crate) fn begin(previous: Option<Self>, hosts: &[String], now: SystemTime, jitter: u8) -> Self {
        let failures = previous
            .filter(|previous| previous.hosts == hosts)
            .map_or(0, |previous| previous.failures)
            .saturating_add(1);
        Self {
            hosts: hosts.to_vec(),
            failures,
            began: seconds(now),
            not_before: seconds(now + backoff(failures, jitter)),
            problem: "the order was interrupted".to_owned(),
        }
    }

    /// Records a failure. `retry_after` is when the server wants to be asked again, if it said so.
    #[must_use]
    pub(crate) fn failed(mut self, problem: String, retry_after: Option<SystemTime>) -> Self {
        self.problem = problem;
        self.not_before = self.not_before.max(retry_after.map_or(0, seconds));
        self
    }

    pub(crate) fn next(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.not_before)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// How long to wait after this many failures in a row.
fn backoff(failures: u32, jitter: u8) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let wait = doubled.min(LONGEST_WAIT);
    // Up to a fifth more, never less.
    wait + wait * u32::from(jitter) / (5 * 255)
}
