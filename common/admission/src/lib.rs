//! How many requests may be in flight: in all, and from one client network.
//!
//! ```text
//! request ──▶ a permit of its network ──▶ a permit of all ──▶ served
//!                        └── waits for one, `wait` at most ──┴──▶ refused
//! ```
//!
//! Half of the permits are for everybody, the other half to clients that are signed in: who they are is remembered from
//! answers to earlier requests ([`Admission::remember`]), since finding it out takes the very work that is bounded here.
//! Of a network's own permits the other half is for credentials that were good before; among all, for each network
//! that somebody signed in from, so that a login, which begins without credentials, finds its way.

mod network;
mod open_files;
mod permit_pool;
mod recent_logins;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

pub use crate::network::ClientNetwork;
pub use crate::open_files::open_file_limit;
use crate::permit_pool::PermitPool;
use crate::recent_logins::RecentLogins;

/// A warning that all permits are taken is logged this often at most.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// How many requests may be in flight, and how long one more waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// From all networks together.
    pub requests: usize,
    /// From one [`ClientNetwork`].
    pub network_requests: usize,
    /// How long a request waits before it is refused.
    pub wait: Duration,
    /// Whether there are no accounts: nobody is a stranger then.
    pub open: bool,
}

/// Whose request it is, as far as that is known before it is served.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    network: ClientNetwork,
    /// Of the credentials that came along.
    credentials: Option<u64>,
    /// Whether they were good before.
    signed_in: bool,
    /// Whether somebody signed in from there.
    known_network: bool,
}

/// A request that waited in vain for a permit. The message is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// No permit of its network became free.
    #[error("too many requests from your network are being served, try again")]
    Network,
    /// No permit at all became free.
    #[error("too many requests are being served, try again")]
    All,
}

/// Bounds the requests in flight.
#[derive(Debug)]
pub struct Admission {
    bounds: Bounds,
    all: PermitPool,
    networks: Mutex<HashMap<ClientNetwork, Arc<PermitPool>>>,
    known: RecentLogins,
    last_warning: Mutex<Option<Instant>>,
}

/// A request that is in flight until this is dropped.
#[derive(Debug)]
pub struct Permit {
    _all: OwnedSemaphorePermit,
    _network: OwnedSemaphorePermit,
    _entry: Entry,
}

impl Admission {
    /// Bounds by which nothing is in flight yet.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            all: PermitPool::new(bounds.requests),
            networks: Mutex::default(),
            known: RecentLogins::default(),
            last_warning: Mutex::default(),
            bounds,
        }
    }

    /// The bounds in force.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Whose request it is, by its address and by the value of its `Authorization` header.
    pub fn caller(&self, client: IpAddr, authorization: Option<&[u8]>) -> Caller {
        let network = ClientNetwork::of(client);
        let credentials = authorization.map(|value| self.known.credentials(value));
        Caller {
            network,
            credentials,
            signed_in: self.bounds.open || credentials.is_some_and(|credentials| self.known.signed_in(credentials)),
            known_network: self.bounds.open || self.known.network(network),
        }
    }

    /// Remembers `caller`, whose credentials the registry has accepted.
    pub fn remember(&self, caller: &Caller) {
        self.known.remember(caller.credentials, caller.network);
    }

    /// Waits for a permit.
    pub async fn acquire(self: &Arc<Self>, caller: &Caller) -> Result<Permit, Overloaded> {
        let deadline = Instant::now() + self.bounds.wait;
        let (entry, permits) = self.network(caller.network);
        let network = match permits.try_acquire(caller.signed_in) {
            Some(permit) => permit,
            None => {
                self.warn_network_full(caller.network);
                let permit = permits.acquire(caller.signed_in, deadline).await;
                permit.ok_or(Overloaded::Network)?
            }
        };
        let reserved = caller.signed_in || caller.known_network;
        let all = match self.all.try_acquire(reserved) {
            Some(permit) => permit,
            None => {
                self.warn_all_full();
                self.all.acquire(reserved, deadline).await.ok_or(Overloaded::All)?
            }
        };
        Ok(Permit {
            _all: all,
            _network: network,
            _entry: entry,
        })
    }

    fn network(self: &Arc<Self>, network: ClientNetwork) -> (Entry, Arc<PermitPool>) {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let permits = networks
            .entry(network)
            .or_insert_with(|| Arc::new(PermitPool::new(self.bounds.network_requests)))
            .clone();
        let entry = Entry {
            admission: self.clone(),
            network,
            _permits: permits.clone(),
        };
        (entry, permits)
    }

    fn warn_network_full(&self, network: ClientNetwork) {
        if self.may_warn() {
            tracing::warn!(
                %network,
                "{network} has as many requests in flight as http.limits.maxnetworkrequests = {} lets one network have (half \
                 of them without a login); further ones wait. If it is an office or a proxy, raise the number, or name \
                 the proxy in http.trustedproxies",
                self.bounds.network_requests
            );
        }
    }

    fn warn_all_full(&self) {
        if self.may_warn() {
            tracing::warn!(
                "as many requests are in flight as http.limits.maxrequests = {} allows (half of them from networks without \
                 a login); further ones wait",
                self.bounds.requests
            );
        }
    }

    fn may_warn(&self) -> bool {
        let mut last = self.last_warning.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= WARN_INTERVAL);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

/// Forgets a network that has no request any more.
#[derive(Debug)]
struct Entry {
    admission: Arc<Admission>,
    network: ClientNetwork,
    _permits: Arc<PermitPool>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut networks = self.admission.networks.lock().unwrap_or_else(PoisonError::into_inner);
        // This one and the map's: clones are made under the lock alone.
        if networks
            .get(&self.network)
            .is_some_and(|permits| Arc::strong_count(permits) <= 2)
        {
            networks.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests;
