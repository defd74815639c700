//! `http.limits` (extension)

use std::time::Duration;

use super::section::Section;

/// Descriptors of a process that no client's request may take: for logs, certificates, accounts, and connections that are
/// told that there are too many.
const SPARE_DESCRIPTORS: usize = 512;

/// `http.limits` (extension): all optional in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `maxconnections` in all; more are answered 503. Default 10,000.
    pub max_connections: usize,
    /// `idletimeout` of a connection, and of a body that stalls. Default 60 s.
    pub idle_timeout: Duration,
    /// `backendwait`: how long a request waits for a registry that is restarting. Default 10 s.
    pub backend_wait: Duration,
    /// `maxrequests` in flight in all; half of them are for clients that are signed in. Default 4,096.
    pub max_requests: usize,
    /// `maxnetworkrequests` in flight from one network, an IPv4 address or an IPv6 /64; half of them are for clients
    /// that are signed in. Default 1,024.
    pub max_network_requests: usize,
    /// `requestwait`: how long a request waits for its turn before it is answered 503. Default 30 s.
    pub request_wait: Duration,
    /// `bodytimeout`: how long the body of a token request, a manifest, or any body of up to 64 KiB may take in all.
    /// Default 60 s.
    pub body_timeout: Duration,
    /// `maxuploads` that one account has begun and not ended; beyond, the one that was idle longest goes. Default 1,000.
    pub max_uploads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(60),
            backend_wait: Duration::from_secs(10),
            max_requests: 4096,
            max_network_requests: 1024,
            request_wait: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            max_uploads: 1000,
        }
    }
}

impl Limits {
    /// How many descriptors a process has to be able to open, so that [`Self::within`] lowers nothing that counts: a
    /// connection is one, a request one to the registry and one for a file.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        self.max_requests
            .saturating_mul(2)
            .saturating_add(self.max_connections)
            .saturating_add(SPARE_DESCRIPTORS)
    }

    /// Lowered to what fits into the `descriptors` that a process may have open: a connection is one, a request one to
    /// the registry and one for a file.
    #[must_use]
    pub fn within(&self, descriptors: usize) -> Self {
        let free = descriptors - (descriptors / 4).min(SPARE_DESCRIPTORS);
        let max_requests = self.max_requests.min(free / 4).max(1);
        Self {
            max_requests,
            max_network_requests: self.max_network_requests.min(max_requests),
            max_connections: self.max_connections.min(free - 2 * max_requests),
            ..self.clone()
        }
    }

    pub(crate) fn read(limits: &Section<'_>) -> Self {
        let default = Self::default();
        let number = |name: &str, default: usize| match limits.number(name).map(usize::try_from) {
            None => default,
            Some(Ok(number)) if number > 0 => number,
            Some(_) => {
                limits.mistake(name, "expected a whole number, 1 at least");
                default
            }
        };
        let time = |name: &str, default: Duration| {
            let time = limits.duration(name).unwrap_or(default);
            if time < Duration::from_secs(1) {
                limits.mistake(name, "expected at least 1s, with its unit, such as 60s");
            }
            time
        };
        Self {
            max_connections: number("maxconnections", default.max_connections),
            idle_timeout: time("idletimeout", default.idle_timeout),
            backend_wait: limits.duration("backendwait").unwrap_or(default.backend_wait),
            max_requests: number("maxrequests", default.max_requests),
            max_network_requests: number("maxnetworkrequests", default.max_network_requests),
            request_wait: limits.duration("requestwait").unwrap_or(default.request_wait),
            body_timeout: time("bodytimeout", default.body_timeout),
            max_uploads: number("maxuploads", default.max_uploads),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_fit_into_the_descriptors() {
        let limits = Limits::default();
        for (descriptors, connections, requests, of_a_network) in [
            (1_000_000, 10_000, 4096, 1024),
            (20_000, 10_000, 4096, 1024),
            (4096, 1792, 896, 896),
            (1024, 384, 192, 192),
            (64, 24, 12, 12),
        ] {
            let fitting = limits.within(descriptors);
            let told = (
                fitting.max_connections,
                fitting.max_requests,
                fitting.max_network_requests,
            );
            assert_eq!(told, (connections, requests, of_a_network), "{descriptors}");
            assert!(connections + 2 * requests < descriptors);
        }
    }
}
