//! Bounds of the way to the registry that no configuration key sets.

use std::time::Duration;

/// No byte from the registry for this long: 504. Finishing an upload waits for the disk in that time.
pub(crate) const UPSTREAM_READ_TIMEOUT: Duration = Duration::from_secs(120);

/// First pause between attempts to reach a registry that is away; each further one is twice as long.
pub(crate) const CONNECT_BACKOFF: Duration = Duration::from_millis(10);

/// The longest pause between two attempts.
pub(crate) const MAX_CONNECT_BACKOFF: Duration = Duration::from_millis(250);

/// How often a request is sent again: a request that kills the registry must not do so for ever.
pub(crate) const MAX_RETRIES: u32 = 3;

/// How long a resumed upload may take to catch up: the registry hashes what it has of it again.
pub(crate) const RESUME_TIMEOUT: Duration = UPSTREAM_READ_TIMEOUT;
