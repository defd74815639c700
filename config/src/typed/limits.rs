//! `http.limits` (extension)

use std::time::Duration;

use crate::section::Section;

/// `http.limits` (extension): all optional in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `maxconnections` in all; more are answered 503. Default 10,000.
    pub max_connections: usize,
    /// `idletimeout` of a connection, and of a body that stalls. Default 60 s.
    pub idle_timeout: Duration,
    /// `backendwait`: how long a request waits for a registry that is restarting. Default 10 s.
    pub backend_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(60),
            backend_wait: Duration::from_secs(10),
        }
    }
}

impl Limits {
    pub(crate) fn read(limits: &Section<'_>) -> Self {
        let default = Self::default();
        let max_connections = match limits.number("maxconnections").map(usize::try_from) {
            None => default.max_connections,
            Some(Ok(number)) if number > 0 => number,
            Some(_) => {
                limits.mistake("maxconnections", "expected a number of connections, 1 at least");
                default.max_connections
            }
        };
        let idle_timeout = limits.duration("idletimeout").unwrap_or(default.idle_timeout);
        if idle_timeout < Duration::from_secs(1) {
            limits.mistake("idletimeout", "expected at least 1s, with its unit, such as 60s");
        }
        Self {
            max_connections,
            idle_timeout,
            backend_wait: limits.duration("backendwait").unwrap_or(default.backend_wait),
        }
    }
}
