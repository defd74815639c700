//! What keeps the proxy from running.

/// What keeps the proxy from running, or from taking up a configuration.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The certificate cannot be used.
    #[error("http.tls: {0}")]
    Certificate(String),
    /// A file or directory that the configuration names cannot be used.
    #[error("{key}: {reason}")]
    Configuration {
        /// The configuration's key, as a path.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A socket cannot be used.
    #[error("cannot serve: {0}")]
    Serve(#[source] std::io::Error),
}
