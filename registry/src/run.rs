//! The door of the crate: a configuration and a listener in, a served registry out.

use std::future::Future;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::pin::Pin;

use lockgate_config::Config;
use tokio::sync::mpsc;

/// An open, listening, non-blocking socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// Who stands in front of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Lockgate's own proxy: blob bodies are handed off to it, its forwarded headers are believed.
    Lockgate,
    /// Somebody's proxy, or nobody: `http.accel` and `http.trustedproxies` decide.
    Other,
}

/// How the registry is told what to do, and tells how it is.
pub struct Control {
    /// Who stands in front.
    pub front: Front,
    /// Called once, when requests are being served.
    pub ready: Box<dyn FnOnce() + Send>,
    /// Completes when the registry shall drain: finish what is in flight, then end.
    pub drain: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Configurations to go on with; each is already checked.
    pub reload: mpsc::Receiver<Config>,
}

/// Why the registry cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The storage root cannot be used.
    #[error("storage.filesystem.rootdirectory {path}: {source}")]
    Storage {
        /// The root.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that the configuration names cannot be used.
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

/// Serves until told to drain. Runs on a tokio runtime; workers have threads of their own.
pub async fn run(config: Config, listener: Listener, control: Control) -> Result<(), RunError> {
    let _ = (config, listener, control);
    todo!()
}
