//! How long connections between the two rest without a request.

use std::time::Duration;

/// The registry closes a connection that rests for this long.
pub const REGISTRY_KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The proxy drops its own after less, so that it sends no request while the registry closes.
pub const PROXY_KEEP_ALIVE: Duration = Duration::from_secs(60);

const _: () = assert!(PROXY_KEEP_ALIVE.as_secs() < REGISTRY_KEEP_ALIVE.as_secs());
