use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::*;

const WAIT: Duration = Duration::from_secs(30);

fn admission(requests: usize, network_requests: usize) -> Arc<Admission> {
    Arc::new(Admission::new(Bounds {
        requests,
        network_requests,
        wait: WAIT,
        open: false,
    }))
}

fn client(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn stranger(admission: &Admission, number: u8) -> Caller {
    admission.caller(client(number), None)
}

/// Somebody whose credentials were good before.
fn signed_in(admission: &Admission, number: u8) -> Caller {
    admission.remember(&admission.caller(client(number), Some(b"Bearer x")));
    admission.caller(client(number), Some(b"Bearer x"))
}

/// Fills every place that `caller` may have.
async fn fill(admission: &Arc<Admission>, caller: &Caller) -> Vec<Permit> {
    let mut permits = Vec::new();
    while let Ok(Ok(permit)) = tokio::time::timeout(Duration::from_millis(1), admission.acquire(caller)).await {
        permits.push(permit);
    }
    permits
}

#[tokio::test(start_paused = true)]
async fn a_network_has_its_share_and_leaves_the_others_theirs() {
    let admission = admission(100, 8);
    let attacker = stranger(&admission, 1);
    let held = fill(&admission, &attacker).await;
    assert_eq!(held.len(), 4, "half is for those who are signed in");
    let began = Instant::now();
    assert_eq!(admission.acquire(&attacker).await.unwrap_err(), Overloaded::Network);
    assert_eq!(began.elapsed(), WAIT, "it waited before it was refused");
    assert!(admission.acquire(&stranger(&admission, 2)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_the_next_place() {
    let admission = admission(100, 2);
    let caller = stranger(&admission, 1);
    let held = fill(&admission, &caller).await;
    let waiting = tokio::spawn({
        let admission = admission.clone();
        async move { admission.acquire(&caller).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    drop(held);
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_there_are_places() {
    let admission = admission(100, 4);
    let caller = stranger(&admission, 1);
    let _held = fill(&admission, &caller).await;
    for _ in 0..4 {
        let admission = admission.clone();
        tokio::spawn(async move { admission.acquire(&caller).await });
    }
    tokio::task::yield_now().await;
    let began = Instant::now();
    assert_eq!(admission.acquire(&caller).await.unwrap_err(), Overloaded::Network);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn strangers_cannot_take_the_share_of_those_who_are_signed_in() {
    // From many networks, and from the very network of somebody who is signed in.
    let admission = admission(8, 4);
    let mut held = Vec::new();
    for number in 1..=8 {
        held.extend(fill(&admission, &stranger(&admission, number)).await);
    }
    assert_eq!(held.len(), 4);
    assert_eq!(
        admission.acquire(&stranger(&admission, 9)).await.unwrap_err(),
        Overloaded::All
    );

    let owner = signed_in(&admission, 20);
    let neighbour = stranger(&admission, 20);
    let beside = fill(&admission, &neighbour).await;
    assert_eq!(
        beside.len(),
        2,
        "a network that somebody signed in from has its share for all"
    );
    assert!(admission.acquire(&owner).await.is_ok());
    // Elsewhere the same credentials are as good.
    let away = admission.caller(client(30), Some(b"Bearer x"));
    assert!(admission.acquire(&away).await.is_ok());
    let guessed = admission.caller(client(30), Some(b"Bearer y"));
    assert_eq!(admission.acquire(&guessed).await.unwrap_err(), Overloaded::All);
}

#[tokio::test(start_paused = true)]
async fn without_accounts_nobody_is_a_stranger() {
    let admission = Arc::new(Admission::new(Bounds {
        requests: 8,
        network_requests: 6,
        wait: WAIT,
        open: true,
    }));
    let first = fill(&admission, &stranger(&admission, 1)).await;
    let second = fill(&admission, &stranger(&admission, 2)).await;
    assert_eq!((first.len(), second.len()), (6, 2));
}

#[tokio::test(start_paused = true)]
async fn one_place_is_for_everybody() {
    let admission = admission(1, 1);
    let permit = admission.acquire(&stranger(&admission, 1)).await.unwrap();
    assert!(admission.acquire(&stranger(&admission, 2)).await.is_err());
    drop(permit);
    assert!(admission.acquire(&stranger(&admission, 2)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn networks_without_requests_are_forgotten() {
    let admission = admission(100, 4);
    let mut permits = Vec::new();
    for number in 0..50 {
        permits.push(admission.acquire(&stranger(&admission, number)).await.unwrap());
    }
    assert_eq!(admission.networks.lock().unwrap().len(), 50);
    drop(permits);
    assert!(admission.networks.lock().unwrap().is_empty());
    // One that waited in vain leaves nothing either.
    let caller = stranger(&admission, 1);
    let held = fill(&admission, &caller).await;
    assert!(admission.acquire(&caller).await.is_err());
    drop(held);
    assert!(admission.networks.lock().unwrap().is_empty());
}
