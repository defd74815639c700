//! The two child processes, as the supervisor and they themselves name them.

/// Tells a child which instance it belongs to: one alone serves a storage root.
pub(crate) const INSTANCE_VARIABLE: &str = "LOCKGATE_INSTANCE";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// TLS, and what clients talk to.
    Proxy,
    /// Storage, accounts and rights, behind the proxy.
    Registry,
}

impl Role {
    /// Subcommand, log field and name in `status`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Registry => "registry",
        }
    }
}

/// One of a kind for each of the two processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair<T> {
    pub(crate) proxy: T,
    pub(crate) registry: T,
}

impl<T> Pair<T> {
    /// The proxy's first: it drains first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.proxy, &self.registry].into_iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.proxy, &mut self.registry].into_iter()
    }
}
