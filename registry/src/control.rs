//! What the caller of `run` hands in, and how it is told what has become of it.

use std::future::Future;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::pin::Pin;

use lockgate_config::Config;
use tokio::sync::mpsc;

/// An open, listening, non-blocking socket.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// Who stands in front of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frontend {
    /// Lockgate's own proxy: blob bodies are handed off to it, its forwarded headers are believed.
    Lockgate,
    /// Somebody's proxy, or nobody: `http.accel` and `http.trustedproxies` decide.
    Other,
}

/// Told what has become of a new configuration.
pub type ReloadCallback = Box<dyn Fn(Result<(), String>) + Send>;

/// Calls what logs one line, and completes with whether the log has taken it.
pub type ConfirmedLog = Box<dyn Fn(&dyn Fn()) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// How the registry is told what to do, and tells how it is.
pub struct Control {
    /// Whether the own proxy stands in front.
    pub frontend: Frontend,
    /// Called once, when requests are being served.
    pub ready: Box<dyn FnOnce() + Send>,
    /// Completes when the registry shall drain: finish what is in flight, then end.
    pub drain: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// The socket that `http.debug` is served on.
    pub debug: Option<Listener>,
    /// Further sockets to serve clients on, as on the first.
    pub more: mpsc::Receiver<Listener>,
    /// Configurations to go on with; each is already checked.
    pub reload: mpsc::Receiver<Config>,
    /// Called for each of them: whether it is in force now, or why the old one goes on.
    pub reloaded: ReloadCallback,
    /// How the lines are logged that tell of a removal before it happens.
    pub audit: ConfirmedLog,
}
