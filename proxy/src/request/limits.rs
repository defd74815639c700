//! Bounds of a request that no configuration key sets.

use std::time::Duration;

/// Bytes of a request target: 414 beyond. A token request with fifty scopes needs 5 KiB.
pub(crate) const MAX_URI_SIZE: usize = 16 * 1024;

/// Fields of a request that the registry's parser (actix-http) takes; it hangs up on one with more.
const REGISTRY_FIELDS: usize = 96;

/// Fields that a request may have more when it reaches the registry: six of [`crate::request::headers::Forwarded`], and of an h2
/// request `Host` and `Transfer-Encoding`.
const ADDED_FIELDS: usize = 8;

/// Fields of a request: 431 beyond.
pub(crate) const MAX_FIELDS: usize = REGISTRY_FIELDS - ADDED_FIELDS;

/// Bytes of `Host`: 400 beyond. A name has 253 (RFC 1035 section 2.3.4); the registry gets it twice.
pub(crate) const MAX_HOST_SIZE: usize = 300;

/// Bytes of a body that is read whole before the registry is asked anything: what Pingora keeps to send it again.
pub(crate) const MAX_BUFFERED_BODY: usize = 64 * 1024;

/// How long a body that nobody wants is still read after an early answer.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// While draining, how long an idle keep-alive connection stays open for a request that is on its way: it is answered
/// with `Connection: close`, where a closed connection would fail it.
pub(crate) const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// The same when successors are serving already: nobody waits for the end, so there is time.
pub(crate) const LEAVE_GRACE: Duration = Duration::from_secs(5);

/// Seconds that `Retry-After` names while the registry is away or too much is open.
pub(crate) const RETRY_AFTER: u64 = 5;
