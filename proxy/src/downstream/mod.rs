//! Connections of clients, from the listening socket to the head of a request.

pub(crate) mod connection;
pub(crate) mod frames;
pub(crate) mod head;
pub(crate) mod limits;
pub(crate) mod plain_http;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod write_timeout;
