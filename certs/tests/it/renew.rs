//! When the leaf is issued again, and when not.

use std::time::{Duration, SystemTime};

use lockgate_certs::{Authority, LeafRequest, RenewalReason, Subject, renewal};

use crate::harness::{Home, request};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn reason(home: &Home, wanted: &LeafRequest, in_days: u32) -> Option<RenewalReason> {
    let now = SystemTime::now() + DAY * in_days;
    renewal(&home.pair("leaf"), wanted, &home.path("ca.crt"), now).unwrap()
}

#[test]
fn a_good_leaf_stays() {
    let home = Home::new();
    home.issue("leaf", &["a.example", "*.b.example", "10.0.0.1", "10.0.0.2"]);
    assert_eq!(
        reason(&home, &request(&["a.example", "x.b.example", "10.0.0.1"]), 0),
        None
    );
    assert_eq!(reason(&home, &request(&["a.example"]), 360), None);
}

#[test]
fn a_leaf_is_renewed_before_it_ends() {
    let home = Home::new();
    home.issue("leaf", &["a.example"]);
    let wanted = request(&["a.example"]);
    assert!(matches!(
        reason(&home, &wanted, 370),
        Some(RenewalReason::Expires { days: 20..30 })
    ));
    let late = reason(&home, &wanted, 400).unwrap();
    assert_eq!(late.to_string(), "it has expired");
}

#[test]
fn a_short_lived_leaf_is_not_renewed_at_once() {
    let home = Home::new();
    let short = LeafRequest {
        days: 10,
        ..request(&["a.example"])
    };
    home.write("leaf", &home.authority.issue(&short).unwrap());
    assert_eq!(reason(&home, &short, 0), None);
    assert!(matches!(reason(&home, &short, 8), Some(RenewalReason::Expires { .. })));
}

#[test]
fn a_new_name_or_address_needs_a_new_leaf() {
    let home = Home::new();
    home.issue("leaf", &["a.example", "10.0.0.1"]);
    let reason = reason(&home, &request(&["a.example", "b.example", "10.0.0.1", "10.0.0.2"]), 0);
    assert_eq!(
        reason,
        Some(RenewalReason::NotCovered(vec!["b.example".into(), "10.0.0.2".into()]))
    );
}

#[test]
fn a_new_authority_needs_a_new_leaf() {
    let home = Home::new();
    home.issue("leaf", &["a.example"]);
    // The same name and another key: only the signature tells.
    let other = Authority::create(&Subject::of_authority("test")).unwrap();
    std::fs::write(home.path("ca.crt"), other.certificate_pem()).unwrap();
    assert_eq!(
        reason(&home, &request(&["a.example"]), 0),
        Some(RenewalReason::OtherAuthority)
    );
}

#[test]
fn missing_and_broken_files_need_a_new_leaf() {
    let home = Home::new();
    let wanted = request(&["a.example"]);
    assert_eq!(reason(&home, &wanted, 0), Some(RenewalReason::Missing));
    home.issue("leaf", &["a.example"]);
    home.issue("other", &["a.example"]);
    std::fs::copy(home.path("other.key"), home.path("leaf.key")).unwrap();
    let wrong_key = reason(&home, &wanted, 0).unwrap().to_string();
    assert!(wrong_key.contains("does not belong to the certificate"), "{wrong_key}");
    std::fs::write(home.path("leaf.crt"), "garbage").unwrap();
    assert!(matches!(reason(&home, &wanted, 0), Some(RenewalReason::Unusable(_))));
    std::fs::remove_file(home.path("leaf.key")).unwrap();
    assert_eq!(reason(&home, &wanted, 0), Some(RenewalReason::Missing));
}

#[test]
fn without_the_authority_nothing_is_decided() {
    let home = Home::new();
    home.issue("leaf", &["a.example"]);
    let error = renewal(
        &home.pair("leaf"),
        &request(&["a.example"]),
        &home.path("no.crt"),
        SystemTime::now(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("no.crt: cannot be read"), "{error}");
}
