//! The door of the crate: a configuration and listening sockets in, a served front door out.

use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::Pin;

use lockgate_config::{Config, Home};
use tokio::sync::mpsc;

/// An open, listening, non-blocking socket, and what it is for.
#[derive(Debug)]
pub enum Entrance {
    /// `http.addr`: TLS when `http.tls` is set, plain otherwise.
    Public(TcpListener),
    /// `http.redirecthttps`: answers 301 to https.
    Redirect(TcpListener),
}

/// How the proxy is told what to do, and tells how it is.
pub struct Control {
    /// The registry's Unix socket.
    pub upstream: PathBuf,
    /// Called once, when connections are being accepted.
    pub ready: Box<dyn FnOnce() + Send>,
    /// Completes when the proxy shall drain: accept no more, finish what is in flight, then end.
    pub drain: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Configurations to go on with; each is already checked.
    pub reload: mpsc::Receiver<Config>,
}

/// Why the proxy cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The certificate cannot be used.
    #[error("http.tls: {0}")]
    Certificate(String),
    /// A file or directory that the configuration names cannot be used.
    #[error("{key}: {reason}")]
    Configuration {
        /// The key path.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server itself.
    #[error("cannot serve: {0}")]
    Serve(#[source] std::io::Error),
}

/// Serves until told to drain. Runs on the tokio runtime that it is called on.
pub async fn run(config: Config, home: Home, entrances: Vec<Entrance>, control: Control) -> Result<(), RunError> {
    let _ = (config, home, entrances, control);
    todo!()
}
