//! Who was signed in lately. Nothing here gives a right: it decides who waits for whom.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::network::ClientNetwork;

/// How long somebody is remembered at least; twice as long at most.
const REMEMBER_TIME: Duration = Duration::from_secs(15 * 60);

/// How many are remembered; only those who sign in take room.
const MAX_REMEMBERED: usize = 16 * 1024;

/// Credentials, as keyed hashes that mean nothing outside of this process, and networks.
#[derive(Debug, Default)]
pub(crate) struct RecentLogins {
    hasher: RandomState,
    credentials: RecentSet<u64>,
    networks: RecentSet<ClientNetwork>,
}

impl RecentLogins {
    /// What stands for the value of an `Authorization` header.
    pub(crate) fn credentials(&self, value: &[u8]) -> u64 {
        self.hasher.hash_one(value)
    }

    pub(crate) fn signed_in(&self, credentials: u64) -> bool {
        self.credentials.contains(&credentials)
    }

    pub(crate) fn network(&self, network: ClientNetwork) -> bool {
        self.networks.contains(&network)
    }

    pub(crate) fn remember(&self, credentials: Option<u64>, network: ClientNetwork) {
        if let Some(credentials) = credentials {
            self.credentials.insert(credentials);
        }
        self.networks.insert(network);
    }
}

/// What was inserted lately: the present set and the one before it.
#[derive(Debug)]
struct RecentSet<T>(RwLock<Sets<T>>);

#[derive(Debug)]
struct Sets<T> {
    present: HashSet<T>,
    before: HashSet<T>,
    since: Instant,
}

impl<T> Default for RecentSet<T> {
    fn default() -> Self {
        Self(RwLock::new(Sets {
            present: HashSet::new(),
            before: HashSet::new(),
            since: Instant::now(),
        }))
    }
}

impl<T: Hash + Eq> RecentSet<T> {
    fn contains(&self, item: &T) -> bool {
        let sets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match sets.since.elapsed() {
            age if age < REMEMBER_TIME => sets.present.contains(item) || sets.before.contains(item),
            age if age < 2 * REMEMBER_TIME => sets.present.contains(item),
            _ => false,
        }
    }

    fn insert(&self, item: T) {
        let is_there = {
            let sets = self.0.read().unwrap_or_else(PoisonError::into_inner);
            sets.since.elapsed() < REMEMBER_TIME && sets.present.contains(&item)
        };
        if is_there {
            return;
        }
        let mut sets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if sets.since.elapsed() >= REMEMBER_TIME || sets.present.len() >= MAX_REMEMBERED {
            sets.before = std::mem::take(&mut sets.present);
            sets.since = Instant::now();
        }
        sets.present.insert(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_inserted_is_remembered_for_a_while() {
        let lately = RecentSet::default();
        lately.insert(1);
        tokio::time::advance(REMEMBER_TIME - Duration::from_secs(1)).await;
        assert!(lately.contains(&1) && !lately.contains(&2));
        tokio::time::advance(Duration::from_secs(2)).await;
        lately.insert(2);
        assert!(lately.contains(&1) && lately.contains(&2));
        tokio::time::advance(REMEMBER_TIME).await;
        assert!(!lately.contains(&1) && lately.contains(&2));
        tokio::time::advance(REMEMBER_TIME).await;
        assert!(!lately.contains(&2));
    }

    #[test]
    fn as_many_are_remembered_as_there_is_room_for() {
        let lately = RecentSet::default();
        for item in 0..3 * MAX_REMEMBERED {
            lately.insert(item);
        }
        let sets = lately.0.read().unwrap();
        assert!(sets.present.len() + sets.before.len() <= 2 * MAX_REMEMBERED);
        drop(sets);
        assert!(lately.contains(&(3 * MAX_REMEMBERED - 1)));
    }
}
