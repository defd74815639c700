//! When to order a certificate: a pure function of the present one, the last attempt and the time.

use std::time::{Duration, SystemTime};

use lockgate_certs::{RenewalReason, Validity};

use super::Attempt;

/// A clock that was wrong when an attempt was kept must not put off the next one for ever.
const LONGEST_DELAY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When to order, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextOrder {
    pub(crate) at: SystemTime,
    /// In words, for the log.
    pub(crate) reason: String,
}

/// When a certificate for `hosts` is to be ordered: the present one is `certificate`, the last attempt `attempt`.
pub(crate) fn next_order(
    certificate: &Result<Validity, RenewalReason>,
    attempt: Option<&Attempt>,
    hosts: &[String],
    now: SystemTime,
) -> NextOrder {
    let mut due = match certificate {
        Err(reason) => NextOrder {
            at: now,
            reason: reason.to_string(),
        },
        Ok(validity) => NextOrder {
            // However long it lives: a server may be away for weeks, or have run out of orders for this name.
            at: validity.renew_at(Duration::MAX),
            reason: "a third of its time or less is left".to_owned(),
        },
    };
    // Other names are another order: the failures of the last one say nothing about it.
    if let Some(attempt) = attempt.filter(|attempt| attempt.hosts == hosts) {
        let next = attempt.next();
        if next.duration_since(now).is_ok_and(|wait| wait <= LONGEST_DELAY) {
            due.at = due.at.max(next);
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::super::attempt::LONGEST_WAIT;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000
    }

    fn hosts() -> Vec<String> {
        vec!["r.example.com".into()]
    }

    fn good(from: SystemTime, days: u32) -> Result<Validity, RenewalReason> {
        Ok(Validity {
            not_before: from,
            not_after: from + DAY * days,
        })
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_time_is_left() {
        for days in [6, 90, 398] {
            let due = next_order(&good(now(), days), None, &hosts(), now());
            assert_eq!(due.at, now() + DAY * days * 2 / 3);
        }
    }

    #[test]
    fn without_one_for_these_names_it_is_time() {
        for reason in [
            RenewalReason::Missing,
            RenewalReason::Unusable("x".into()),
            RenewalReason::NotCovered(vec!["b.example.com".into()]),
        ] {
            let due = next_order(&Err(reason.clone()), None, &hosts(), now());
            assert_eq!(due.at, now());
            assert_eq!(due.reason, reason.to_string());
        }
    }

    #[test]
    fn failures_put_the_next_attempt_off() {
        let first = Attempt::begin(None, &hosts(), now(), 0);
        let after = next_order(&Err(RenewalReason::Missing), Some(&first), &hosts(), now());
        assert_eq!(after.at, now() + MINUTE * 2);
        // Present for a renewal too, which is not hurried by them.
        let later = next_order(&good(now(), 90), Some(&first), &hosts(), now());
        assert_eq!(later.at, now() + DAY * 60);

        let second = Attempt::begin(Some(first.clone()), &hosts(), now(), 0);
        assert_eq!((second.failures, second.next()), (2, now() + MINUTE * 4));
        let other = vec!["other.example.com".to_owned()];
        assert_eq!(Attempt::begin(Some(second.clone()), &other, now(), 0).failures, 1);
        assert_eq!(
            next_order(&Err(RenewalReason::Missing), Some(&second), &other, now()).at,
            now()
        );

        // A server that asks for more time gets it, one that asks for less does not shorten ours.
        let told = |wait| first.clone().failed("no".into(), Some(now() + wait)).next();
        assert_eq!(told(MINUTE * 90), now() + MINUTE * 90);
        assert_eq!(told(MINUTE), now() + MINUTE * 2);
    }

    #[test]
    fn no_hour_sees_more_than_five_attempts() {
        for jitter in [0, 255] {
            let mut begins = vec![now()];
            let mut attempt = Attempt::begin(None, &hosts(), now(), jitter);
            while begins.len() < 40 {
                let next = next_order(&Err(RenewalReason::Missing), Some(&attempt), &hosts(), now())
                    .at
                    .max(attempt.next());
                begins.push(next);
                attempt = Attempt::begin(Some(attempt), &hosts(), next, jitter);
            }
            for six in begins.windows(6) {
                assert!(six[5].duration_since(six[0]).unwrap() >= MINUTE * 60, "{begins:?}");
            }
            let last = begins[39].duration_since(begins[38]).unwrap();
            assert!((LONGEST_WAIT..=LONGEST_WAIT * 6 / 5).contains(&last), "{last:?}");
        }
    }

    #[test]
    fn a_clock_that_was_wrong_is_forgiven() {
        let ahead = Attempt::begin(None, &hosts(), now() + DAY * 1000, 0);
        assert_eq!(
            next_order(&Err(RenewalReason::Missing), Some(&ahead), &hosts(), now()).at,
            now()
        );
    }
}
