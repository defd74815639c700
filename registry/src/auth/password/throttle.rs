//! Failed logins slow down, right passwords are remembered. A pure state machine: the clock is given.
//!
//! Two counts. One per account *and* client network, whose pauses double: who mistypes waits a moment, who guesses waits
//! a minute per guess, and the account's owner elsewhere notices nothing. One per network alone, a bucket that leaks: it
//! stops somebody who tries one password on many accounts, and a forgotten job with an old password, which the first
//! count holds to one try a minute, never fills it for the others behind the same address.
//!
//! While either pauses, the right password is answered as a wrong one, remembered or not: an answer that differed would
//! be a guess tested for nothing. One password of an account is tested at a time for each network, so that guesses at
//! the same moment are counted one after the other.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use lru::LruCache;

/// Failures of an account from one network until the pauses begin.
const FREE_FAILURES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Short, since an owner behind the same address waits as well.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A pair without failures for so long begins anew.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Failures from one network at once, whatever the accounts...
const ADDRESS_BURST: u32 = 30;
/// ... and how often one more.
const ADDRESS_INTERVAL: Duration = Duration::from_secs(10);
/// How long a right password is remembered, for the network that it came from.
const REMEMBER: Duration = Duration::from_secs(300);
/// Pairs and networks that are remembered; those that were not used for longest are forgotten first.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(8192).unwrap();

/// Stands for an account, its hash and a password; worth nothing outside of this process.
pub(super) type Proof = [u8; 32];

/// Who may try again when, and who proved a password where.
pub(super) struct Throttle {
    /// By account and network.
    pairs: LruCache<u64, Attempts>,
    /// When the network's bucket is empty again.
    addresses: LruCache<u64, Instant>,
    /// The pairs of which a password is being tested.
    testing: HashSet<u64>,
    /// Keys are hashes under a random key: of a bounded size, and not to be collided on purpose.
    hasher: RandomState,
}

/// What to do with a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThrottleDecision {
    /// Refuse it, whatever the password.
    Paused(Duration),
    /// Ask again when the test that is under way has ended.
    Wait,
    /// Let it in: this very password proved right within the last minutes.
    Remembered,
    /// Test the password; nobody else of the pair may, until [`Throttle::tested`].
    Test,
}

#[derive(Default)]
struct Attempts {
    failures: u32,
    last_failure: Option<Instant>,
    /// The password that proved right last, until when.
    right: Option<(Proof, Instant)>,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self {
            pairs: LruCache::sparse(CAPACITY),
            addresses: LruCache::sparse(CAPACITY),
            testing: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// What to do with a login of `account` from `client`, whose password makes `proof`.
    pub(super) fn decide(&mut self, account: &str, client: IpAddr, proof: &Proof, now: Instant) -> ThrottleDecision {
        if let Some(pause) = self.pause(account, client, now) {
            return ThrottleDecision::Paused(pause);
        }
        let (key, _) = self.keys(account, client);
        // Before what is remembered: else guesses would be compared with it while another one is tested.
        if self.testing.contains(&key) {
            return ThrottleDecision::Wait;
        }
        if self.pairs.get(&key).is_some_and(|pair| pair.remembers(proof, now)) {
            return ThrottleDecision::Remembered;
        }
        self.testing.insert(key);
        ThrottleDecision::Test
    }

    /// How long until `account` may be tried from `client`; `None` = at once.
    pub(super) fn pause(&mut self, account: &str, client: IpAddr, now: Instant) -> Option<Duration> {
        let (pair, address) = self.keys(account, client);
        let pair = self.pairs.get(&pair).map_or(Duration::ZERO, |pair| pair.pause(now));
        let address = self.addresses.get(&address).map_or(Duration::ZERO, |empty_at| {
            empty_at
                .saturating_duration_since(now)
                .saturating_sub(ADDRESS_INTERVAL * (ADDRESS_BURST - 1))
        });
        Some(pair.max(address)).filter(|pause| !pause.is_zero())
    }

    /// A wrong password, or an unknown account.
    pub(super) fn failed(&mut self, account: &str, client: IpAddr, now: Instant) {
        let (pair, address) = self.keys(account, client);
        let pair = self.pairs.get_or_insert_mut(pair, Attempts::default);
        if pair.is_forgotten(now) {
            pair.failures = 0;
        }
        pair.failures = pair.failures.saturating_add(1);
        pair.last_failure = Some(now);
        let empty_at = self
            .addresses
            .get(&address)
            .map_or(now, |empty_at| (*empty_at).max(now));
        self.addresses.put(address, empty_at + ADDRESS_INTERVAL);
    }

    /// The right password: the pair is forgiven. The address is not, or one account of one's own would open the way
    /// to guess at the others'.
    pub(super) fn succeeded(&mut self, account: &str, client: IpAddr, proof: Proof, now: Instant) {
        let (pair, _) = self.keys(account, client);
        *self.pairs.get_or_insert_mut(pair, Attempts::default) = Attempts {
            right: Some((proof, now + REMEMBER)),
            ..Attempts::default()
        };
    }

    /// The test that [`ThrottleDecision::Test`] asked for has ended, or will not be made.
    pub(super) fn tested(&mut self, account: &str, client: IpAddr) {
        let (pair, _) = self.keys(account, client);
        self.testing.remove(&pair);
    }

    fn keys(&self, account: &str, client: IpAddr) -> (u64, u64) {
        let network = network(client);
        (self.hasher.hash_one((account, network)), self.hasher.hash_one(network))
    }
}

impl Attempts {
    fn pause(&self, now: Instant) -> Duration {
        let Some(last) = self.last_failure else {
            return Duration::ZERO;
        };
        if self.failures < FREE_FAILURES || self.is_forgotten(now) {
            return Duration::ZERO;
        }
        let doublings = (self.failures - FREE_FAILURES).min(6);
        let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
        pause.saturating_sub(now.saturating_duration_since(last))
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        self.last_failure
            .is_some_and(|last| now.saturating_duration_since(last) >= FORGET_AFTER)
    }

    fn remembers(&self, proof: &Proof, now: Instant) -> bool {
        self.right
            .as_ref()
            .is_some_and(|(known, until)| now < *until && verify_slices_are_equal(known, proof).is_ok())
    }
}

/// What one client has at its disposal: an IPv4 address, or an IPv6 network of 64 bits.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
