//! A client's connection, as its requests see it.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

/// What a request may know about the connection that it came through.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// The client, or the proxy in front of us.
    pub(crate) remote: SocketAddr,
    /// Whether TLS is spoken here; behind another proxy, that says nothing of the client.
    pub(crate) tls: bool,
    /// Whether the connection is one too many: each request is answered 503.
    pub(crate) refused: bool,
    /// Set when an answer was sent before the request was read to its end.
    pub(crate) answered_early: AtomicBool,
}
