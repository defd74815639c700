//! How long an orderly end takes: `http.draintimeout` for the requests in flight, and some beside it.

use std::time::Duration;

/// For what comes after the drain: the registry keeps the state of uploads, and logs are written.
const MARGIN: Duration = Duration::from_secs(5);
/// More, for a service manager: what it kills loses the state of its uploads.
const KILL_MARGIN: Duration = Duration::from_secs(30);

/// The longest that an instance takes to end once it drains.
pub(crate) fn longest_end(drain_timeout: Duration) -> Duration {
    drain_timeout + MARGIN
}

/// How long a service manager waits before it kills.
pub(crate) fn kill_after(drain_timeout: Duration) -> Duration {
    drain_timeout + KILL_MARGIN
}
