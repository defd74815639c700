//! Bounds of connections that no configuration key sets.

use std::time::Duration;

/// Bytes of a request line with its fields: 431 beyond.
pub(crate) const MAX_HEAD_SIZE: usize = 64 * 1024;

/// From the first byte of a request's head to its last, unless `http.limits.idletimeout` is shorter: 408 beyond.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// TLS handshakes take this long at most.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many bytes of a body that nobody wants are still read after an early answer; see
/// [`LINGER_TIMEOUT`](crate::request::limits::LINGER_TIMEOUT).
pub(crate) const MAX_LINGER_SIZE: usize = 64 * 1024 * 1024;

/// Connections beyond `http.limits.maxconnections` that are told so (503) instead of being closed without a word.
pub(crate) const MAX_REFUSED_CONNECTIONS: usize = 256;

/// Pause after the system refused a new connection for want of descriptors or memory.
pub(crate) const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// h2 flow control: 64 KiB, the protocol's default, holds an upload back.
pub(crate) const H2_STREAM_WINDOW: u32 = 1024 * 1024;

/// See [`H2_STREAM_WINDOW`]; all uploads of one connection share it.
pub(crate) const H2_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
