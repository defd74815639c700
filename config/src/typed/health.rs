//! `health`

use std::time::Duration;

use super::section::Section;

/// `health`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `health.storagedriver`; `None` unless enabled.
    pub storage: Option<StorageHealth>,
}

/// `health.storagedriver`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageHealth {
    /// `interval`; 10 s unless set.
    pub interval: Duration,
    /// `threshold`: failures in a row until unhealthy; as in distribution, the first one counts unless set.
    pub threshold: u32,
}

const INTERVAL: Duration = Duration::from_secs(10);
const LEAST_INTERVAL: Duration = Duration::from_millis(10);

impl Health {
    pub(crate) fn read(health: &Section<'_>) -> Self {
        let driver = health.section("storagedriver");
        let storage = StorageHealth {
            interval: interval(&driver),
            threshold: threshold(&driver),
        };
        Self {
            storage: driver.flag("enabled").unwrap_or(false).then_some(storage),
        }
    }
}

/// Zero means the default, as in distribution.
fn interval(driver: &Section<'_>) -> Duration {
    match driver.duration("interval") {
        None | Some(Duration::ZERO) => INTERVAL,
        Some(interval) if interval < LEAST_INTERVAL => {
            driver.mistake(
                "interval",
                "expected at least 10ms, with its unit, such as 10s: a bare number is nanoseconds",
            );
            INTERVAL
        }
        Some(interval) => interval,
    }
}

fn threshold(driver: &Section<'_>) -> u32 {
    match driver.number("threshold") {
        None | Some(i64::MIN..=0) => 1,
        Some(threshold) => u32::try_from(threshold).unwrap_or(u32::MAX),
    }
}
