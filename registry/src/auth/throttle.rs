//! Failed logins slow down. A pure state machine: the clock is given.
//!
//! Two counts. One per account *and* client address, whose pauses double: who mistypes waits a moment, who guesses waits
//! a minute per guess, and the account's owner at another address notices nothing. One per address alone, a bucket that
//! leaks: it stops somebody who tries one password on many accounts, and a forgotten job with an old password, which
//! the first count holds to one try a minute, never fills it for the others behind the same address.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::generations::Generations;

/// Failures of an account from one address until the pauses begin.
const FREE_FAILURES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A pair without failures for so long begins anew.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Failures from one address at once, whatever the accounts...
const ADDRESS_BURST: u32 = 30;
/// ... and how often one more.
const ADDRESS_INTERVAL: Duration = Duration::from_secs(10);
/// Pairs and addresses that are remembered at least.
const CAPACITY: usize = 8192;

/// Who may try again when.
#[derive(Debug)]
pub(super) struct Throttle {
    pairs: Generations<u64, Failures>,
    /// When the address's bucket is empty again.
    addresses: Generations<u64, Instant>,
    /// Keys are hashes under a random key: of a bounded size, and not to be collided on purpose.
    hasher: RandomState,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    pub(super) fn new() -> Self {
        let (pairs, addresses) = (Generations::new(CAPACITY), Generations::new(CAPACITY));
        Self {
            pairs,
            addresses,
            hasher: RandomState::new(),
        }
    }

    /// How long until `account` may be tried from `client`; `None` = at once.
    pub(super) fn pause(&mut self, account: &str, client: IpAddr, now: Instant) -> Option<Duration> {
        let (pair, address) = self.keys(account, client);
        let pair = self
            .pairs
            .get(&pair)
            .map_or(Duration::ZERO, |failures| failures.pause(now));
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
        match self.pairs.get(&pair) {
            Some(failures) if !failures.forgotten(now) => {
                failures.count = failures.count.saturating_add(1);
                failures.last = now;
            }
            _ => self.pairs.insert(pair, Failures { count: 1, last: now }),
        }
        let empty_at = self
            .addresses
            .get(&address)
            .map_or(now, |empty_at| (*empty_at).max(now));
        self.addresses.insert(address, empty_at + ADDRESS_INTERVAL);
    }

    /// The right password: the pair is forgiven. The address is not, or one account of one's own would open the way
    /// to guess at the others'.
    pub(super) fn succeeded(&mut self, account: &str, client: IpAddr) {
        let (pair, _) = self.keys(account, client);
        self.pairs.remove(&pair);
    }

    fn keys(&self, account: &str, client: IpAddr) -> (u64, u64) {
        let network = network(client);
        (self.hasher.hash_one((account, network)), self.hasher.hash_one(network))
    }
}

impl Failures {
    fn pause(&self, now: Instant) -> Duration {
        if self.count < FREE_FAILURES || self.forgotten(now) {
            return Duration::ZERO;
        }
        let doublings = (self.count - FREE_FAILURES).min(6);
        let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
        pause.saturating_sub(now.saturating_duration_since(self.last))
    }

    fn forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= FORGET_AFTER
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
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

    fn seconds(pause: Option<Duration>) -> u64 {
        pause.map_or(0, |pause| pause.as_secs())
    }

    /// Guesses as often as it may for `time`, and counts the guesses.
    fn guesses_within(time: Duration, accounts: &[&str]) -> u32 {
        let (mut throttle, start) = (Throttle::new(), Instant::now());
        let (mut now, mut guesses) = (start, 0);
        while now < start + time {
            for account in accounts {
                if throttle.pause(account, HERE, now).is_none() {
                    throttle.failed(account, HERE, now);
                    guesses += 1;
                }
            }
            now += Duration::from_secs(1);
        }
        guesses
    }

    #[test]
    fn pauses_begin_after_five_failures_and_double_to_a_minute() {
        let (mut throttle, mut now) = (Throttle::new(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..13 {
            throttle.failed("anna", HERE, now);
            let pause = throttle.pause("anna", HERE, now);
            pauses.push(seconds(pause));
            now += pause.unwrap_or_default();
            assert_eq!(throttle.pause("anna", HERE, now), None);
        }
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_stranger_locks_nobody_else_out() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        for _ in 0..1000 {
            throttle.failed("anna", THERE, now);
        }
        assert!(throttle.pause("anna", THERE, now).is_some());
        assert_eq!(throttle.pause("anna", HERE, now), None);
    }

    #[test]
    fn a_job_with_an_old_password_does_not_stop_its_neighbours() {
        let (mut throttle, start) = (Throttle::new(), Instant::now());
        for second in 0..7200 {
            let now = start + Duration::from_secs(second);
            if throttle.pause("old-job", HERE, now).is_none() {
                throttle.failed("old-job", HERE, now);
            }
            assert_eq!(throttle.pause("anna", HERE, now), None, "after {second} s");
        }
    }

    #[test]
    fn guessing_is_slow_for_one_account_and_for_many() {
        let hour = Duration::from_secs(3600);
        assert!(guesses_within(hour, &["anna"]) <= 70);
        let names: Vec<String> = (0..50).map(|n| format!("account{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let guesses = guesses_within(hour, &names);
        assert!((300..=400).contains(&guesses), "{guesses}");
    }

    #[test]
    fn the_right_password_forgives_the_account_and_not_the_address() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        for _ in 0..6 {
            throttle.failed("anna", HERE, now);
        }
        throttle.succeeded("anna", HERE);
        assert_eq!(throttle.pause("anna", HERE, now), None);
        for number in 0..40 {
            throttle.failed(&format!("account{number}"), HERE, now);
            throttle.succeeded("anna", HERE);
        }
        assert!(throttle.pause("anna", HERE, now).is_some());
    }

    #[test]
    fn failures_are_forgotten() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        for _ in 0..20 {
            throttle.failed("anna", HERE, now);
        }
        let later = now + FORGET_AFTER;
        throttle.failed("anna", HERE, later);
        assert_eq!(throttle.pause("anna", HERE, later), None);
    }

    #[test]
    fn an_ipv6_network_and_a_mapped_ipv4_address_count_as_one() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        for number in 0..40_u128 {
            let address = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + number);
            throttle.failed("anna", address.into(), now);
        }
        assert!(throttle.pause("anna", "2001:db8::ffff".parse().unwrap(), now).is_some());
        assert_eq!(throttle.pause("anna", "2001:db8:0:1::1".parse().unwrap(), now), None);
        for _ in 0..10 {
            throttle.failed("bert", "::ffff:192.0.2.1".parse().unwrap(), now);
        }
        assert!(throttle.pause("bert", HERE, now).is_some());
    }
}
