//! Tests of `throttle.rs`.

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

fn seconds(pause: Option<Duration>) -> u64 {
    pause.map_or(0, |pause| pause.as_secs())
}

const RIGHT: Proof = [1; 32];
const WRONG: Proof = [2; 32];
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Logs in with the right password; gives whether it was let in.
fn log_in(throttle: &mut Throttle, account: &str, client: IpAddr, now: Instant) -> bool {
    match throttle.decide(account, client, &RIGHT, now) {
        ThrottleDecision::Remembered => true,
        ThrottleDecision::Paused(_) | ThrottleDecision::Wait => false,
        ThrottleDecision::Test => {
            throttle.succeeded(account, client, RIGHT, now);
            throttle.tested(account, client);
            true
        }
    }
}

/// Tries a wrong password; gives whether it was tested.
fn guess(throttle: &mut Throttle, account: &str, client: IpAddr, now: Instant) -> bool {
    let is_tested = throttle.decide(account, client, &WRONG, now) == ThrottleDecision::Test;
    if is_tested {
        throttle.failed(account, client, now);
        throttle.tested(account, client);
    }
    is_tested
}

/// Guesses as often as it may for `time`, and counts the guesses; `meanwhile` goes on before each.
fn guesses_within(time: Duration, accounts: &[&str], mut meanwhile: impl FnMut(&mut Throttle, Instant)) -> u32 {
    let (mut throttle, start) = (Throttle::new(), Instant::now());
    let (mut now, mut guesses) = (start, 0);
    while now < start + time {
        meanwhile(&mut throttle, now);
        for account in accounts {
            guesses += u32::from(guess(&mut throttle, account, HERE, now));
        }
        now += Duration::from_millis(500);
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

/// The figures of docs/SECURITY.md.
#[test]
fn guessing_is_slow_for_one_account_and_for_many() {
    assert!(guesses_within(MINUTE, &["anna"], |_, _| {}) <= 10);
    assert!(guesses_within(HOUR, &["anna"], |_, _| {}) <= 70);
    let names: Vec<String> = (0..50).map(|n| format!("account{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(guesses_within(MINUTE, &names, |_, _| {}) <= 36);
    let guesses = guesses_within(HOUR, &names, |_, _| {});
    assert!((300..=400).contains(&guesses), "{guesses}");
}

#[test]
fn an_owner_who_is_logged_in_elsewhere_opens_nothing_and_is_never_locked_out() {
    let owner = |throttle: &mut Throttle, now| assert!(log_in(throttle, "anna", THERE, now));
    assert!(guesses_within(MINUTE, &["anna"], owner) <= 10);
    assert!(guesses_within(HOUR, &["anna"], owner) <= 70);
}

#[test]
fn an_owner_who_is_logged_in_behind_the_same_address_opens_little() {
    let mut let_in = 0;
    let mut owner = |throttle: &mut Throttle, now| let_in += u32::from(log_in(throttle, "anna", HERE, now));
    assert!(guesses_within(MINUTE, &["anna"], &mut owner) <= 10);
    // Each time that the owner proves the password anew, the failures are forgiven.
    assert!(guesses_within(HOUR, &["anna"], &mut owner) <= 12 * 15);
    assert!(let_in > 0);
}

#[test]
fn while_an_account_pauses_the_right_password_is_answered_as_a_wrong_one() {
    let (mut throttle, start) = (Throttle::new(), Instant::now());
    assert!(log_in(&mut throttle, "anna", HERE, start));
    let (mut paused, mut now) = (0, start);
    for _ in 0..300 {
        guess(&mut throttle, "anna", HERE, now);
        let right = throttle.decide("anna", HERE, &RIGHT, now);
        if let ThrottleDecision::Paused(pause) = right {
            assert_eq!(throttle.decide("anna", HERE, &WRONG, now), right);
            assert!(pause <= MINUTE, "{pause:?}");
            paused += 1;
        }
        now += Duration::from_millis(990);
    }
    assert!(paused > 280, "{paused}");
    // When the pause is over the owner is let in at once, as long as it is remembered.
    let over = now + MINUTE;
    assert!(log_in(&mut throttle, "anna", HERE, over));
}

#[test]
fn while_an_address_pauses_no_account_is_told_from_another() {
    let (mut throttle, now) = (Throttle::new(), Instant::now());
    assert!(log_in(&mut throttle, "anna", HERE, now));
    assert!(log_in(&mut throttle, "anna", THERE, now));
    let tested = (0..100).filter(|number| guess(&mut throttle, &format!("account{number}"), HERE, now));
    assert_eq!(tested.count(), 30);
    let refused = throttle.decide("anna", HERE, &RIGHT, now);
    assert!(matches!(refused, ThrottleDecision::Paused(_)), "{refused:?}");
    for account in ["anna", "bert"] {
        assert_eq!(throttle.decide(account, HERE, &WRONG, now), refused);
    }
    assert_eq!(
        throttle.decide("anna", THERE, &RIGHT, now),
        ThrottleDecision::Remembered
    );
}

#[test]
fn the_pause_of_an_account_holds_for_it_alone() {
    let (mut throttle, start) = (Throttle::new(), Instant::now());
    for second in 0..600 {
        let now = start + Duration::from_secs(second);
        guess(&mut throttle, "anna", HERE, now);
        assert!(log_in(&mut throttle, "bert", HERE, now), "after {second} s");
    }
}

#[test]
fn one_password_of_an_account_is_tested_at_a_time() {
    let (mut throttle, now) = (Throttle::new(), Instant::now());
    assert!(log_in(&mut throttle, "anna", HERE, now));
    assert_eq!(throttle.decide("anna", HERE, &WRONG, now), ThrottleDecision::Test);
    // The right one waits as well, though it is remembered.
    for proof in [&RIGHT, &WRONG] {
        assert_eq!(throttle.decide("anna", HERE, proof, now), ThrottleDecision::Wait);
    }
    assert_eq!(throttle.decide("anna", THERE, &WRONG, now), ThrottleDecision::Test);
    assert_eq!(throttle.decide("bert", HERE, &WRONG, now), ThrottleDecision::Test);
    throttle.tested("anna", HERE);
    assert_eq!(throttle.decide("anna", HERE, &RIGHT, now), ThrottleDecision::Remembered);
}

#[test]
fn a_right_password_is_remembered_for_five_minutes() {
    let (mut throttle, now) = (Throttle::new(), Instant::now());
    assert!(log_in(&mut throttle, "anna", HERE, now));
    let later = now + REMEMBER - Duration::from_millis(1);
    assert_eq!(
        throttle.decide("anna", HERE, &RIGHT, later),
        ThrottleDecision::Remembered
    );
    assert_eq!(
        throttle.decide("anna", HERE, &RIGHT, now + REMEMBER),
        ThrottleDecision::Test
    );
}

#[test]
fn what_is_kept_is_bounded_however_many_accounts_and_addresses_there_are() {
    let (mut throttle, now) = (Throttle::new(), Instant::now());
    for number in 0..50_000_u32 {
        let client = IpAddr::V4(number.into());
        guess(&mut throttle, "anna", client, now);
        log_in(&mut throttle, &format!("account{number}"), client, now);
    }
    assert!(throttle.pairs.len() <= CAPACITY.get());
    assert!(throttle.addresses.len() <= CAPACITY.get());
    assert!(throttle.testing.is_empty());
}

#[test]
fn the_right_password_forgives_the_account_and_not_the_address() {
    let (mut throttle, now) = (Throttle::new(), Instant::now());
    for _ in 0..6 {
        throttle.failed("anna", HERE, now);
    }
    throttle.succeeded("anna", HERE, RIGHT, now);
    assert_eq!(throttle.pause("anna", HERE, now), None);
    for number in 0..40 {
        throttle.failed(&format!("account{number}"), HERE, now);
        throttle.succeeded("anna", HERE, RIGHT, now);
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
