//! Why the proxy stays shut.

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
