//! How many requests may be in flight: in all, and from one client network.
//!
//! ```text
//! request ──▶ a place among those of its network ──▶ a place among all ──▶ served
//!                        └── waits for one, `wait` at most ──┴──▶ refused
//! ```
//!
//! Half of the places are open to everybody, the other half to clients that are signed in: who they are is remembered from
//! answers to earlier requests ([`Admission::remember`]), since finding it out takes the very work that is bounded here.
//! Of a network's own places the other half is for credentials that were good before; among all, for each network
//! that somebody signed in from, so that a login, which begins without credentials, finds its way.

mod known;
mod network;
mod places;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::known::Known;
pub use crate::network::Network;
use crate::places::Places;

/// A line about places that are all taken is logged this often at most.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// How many requests may be in flight, and how long one more waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// In all.
    pub requests: usize,
    /// From one [`Network`].
    pub network_requests: usize,
    /// Before a request is refused.
    pub wait: Duration,
    /// Whether there are no accounts: nobody is a stranger then.
    pub open: bool,
}

/// Whose request it is, as far as that is known before it is served.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    network: Network,
    /// Of the credentials that came along.
    credentials: Option<u64>,
    /// Whether they were good before.
    signed_in: bool,
    /// Whether somebody signed in from there.
    known_network: bool,
}

/// A request waited in vain; its message is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// For a place of its network.
    #[error("too many requests from your network are being served, try again")]
    Network,
    /// For a place at all.
    #[error("too many requests are being served, try again")]
    All,
}

/// Bounds the requests in flight.
#[derive(Debug)]
pub struct Admission {
    bounds: Bounds,
    all: Places,
    networks: Mutex<HashMap<Network, Arc<Places>>>,
    known: Known,
    last_line: Mutex<Option<Instant>>,
}

/// A request that is in flight until this is dropped.
#[derive(Debug)]
pub struct Permit {
    _all: OwnedSemaphorePermit,
    _network: OwnedSemaphorePermit,
    _entry: Entry,
}

impl Admission {
    /// Nothing is in flight yet.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            all: Places::new(bounds.requests),
            networks: Mutex::default(),
            known: Known::default(),
            last_line: Mutex::default(),
            bounds,
        }
    }

    /// What it was made with.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Who asks: `authorization` is the header's value.
    pub fn caller(&self, client: IpAddr, authorization: Option<&[u8]>) -> Caller {
        let network = Network::of(client);
        let credentials = authorization.map(|value| self.known.credentials(value));
        Caller {
            network,
            credentials,
            signed_in: self.bounds.open || credentials.is_some_and(|credentials| self.known.signed_in(credentials)),
            known_network: self.bounds.open || self.known.network(network),
        }
    }

    /// The registry has accepted the credentials of `caller`.
    pub fn remember(&self, caller: &Caller) {
        self.known.remember(caller.credentials, caller.network);
    }

    /// Waits for a place.
    pub async fn enter(self: &Arc<Self>, caller: &Caller) -> Result<Permit, Full> {
        let deadline = Instant::now() + self.bounds.wait;
        let (entry, places) = self.network(caller.network);
        let network = match places.try_take(caller.signed_in) {
            Some(place) => place,
            None => {
                self.tell_network(caller.network);
                let place = places.take(caller.signed_in, deadline).await;
                place.ok_or(Full::Network)?
            }
        };
        let reserved = caller.signed_in || caller.known_network;
        let all = match self.all.try_take(reserved) {
            Some(place) => place,
            None => {
                self.tell_all();
                self.all.take(reserved, deadline).await.ok_or(Full::All)?
            }
        };
        Ok(Permit {
            _all: all,
            _network: network,
            _entry: entry,
        })
    }

    fn network(self: &Arc<Self>, network: Network) -> (Entry, Arc<Places>) {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let places = networks
            .entry(network)
            .or_insert_with(|| Arc::new(Places::new(self.bounds.network_requests)))
            .clone();
        let entry = Entry {
            admission: self.clone(),
            network,
            _places: places.clone(),
        };
        (entry, places)
    }

    fn tell_network(&self, network: Network) {
        if self.is_line_due() {
            tracing::warn!(
                %network,
                "{network} has as many requests in flight as http.limits.maxnetworkrequests = {} lets one network have (half \
                 of them without a login); further ones wait. If it is an office or a proxy, raise the number, or name \
                 the proxy in http.trustedproxies",
                self.bounds.network_requests
            );
        }
    }

    fn tell_all(&self) {
        if self.is_line_due() {
            tracing::warn!(
                "as many requests are in flight as http.limits.maxrequests = {} allows (half of them from networks without \
                 a login); further ones wait",
                self.bounds.requests
            );
        }
    }

    fn is_line_due(&self) -> bool {
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= LINE_INTERVAL);
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
    network: Network,
    _places: Arc<Places>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut networks = self.admission.networks.lock().unwrap_or_else(PoisonError::into_inner);
        // This one and the map's: clones are made under the lock alone.
        if networks
            .get(&self.network)
            .is_some_and(|places| Arc::strong_count(places) <= 2)
        {
            networks.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests;
