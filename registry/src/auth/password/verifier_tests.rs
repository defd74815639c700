//! Tests of `verifier`.

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const APR1: &str = "$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/";

struct Fixture {
    verifier: Arc<Verifier>,
    file: Arc<AccountFile>,
    _directory: tempfile::TempDir,
}

impl Fixture {
    fn new(lines: &str) -> Self {
        Self::with_threads(lines, 1)
    }

    fn with_threads(lines: &str, threads: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("htpasswd");
        std::fs::write(&path, lines).unwrap();
        let file = Arc::new(AccountFile::open(&path).unwrap());
        Self {
            verifier: Arc::new(Verifier::with_threads(threads)),
            file,
            _directory: directory,
        }
    }

    fn reopen(&mut self, lines: &str) {
        let path = self.file.path().to_owned();
        std::fs::write(&path, lines).unwrap();
        self.file = Arc::new(AccountFile::open(&path).unwrap());
    }

    async fn verify(&self, name: &str, password: &str, client: IpAddr) -> Result<(), LoginError> {
        self.verifier
            .verify(&self.file, name, &Secret::new(password), client)
            .await
            .map(drop)
    }

    /// What is answered without a hash; `None` when one is to be computed, or is waited for.
    async fn at_once(&self, name: &str, password: &str, client: IpAddr) -> Option<Result<(), LoginError>> {
        let _all = self.hold_threads().await;
        self.verify(name, password, client).now_or_never()
    }

    /// No hash begins until this is dropped.
    async fn hold_threads(&self) -> tokio::sync::OwnedSemaphorePermit {
        let threads = &self.verifier.threads;
        let all = u32::try_from(threads.available_permits()).unwrap();
        threads.clone().acquire_many_owned(all).await.unwrap()
    }
}

fn is_throttled(result: &Result<(), LoginError>) -> bool {
    matches!(result, Err(LoginError::Throttled(_)))
}

#[tokio::test]
async fn a_right_password_is_remembered_and_a_wrong_one_is_not() {
    let fixture = Fixture::new(&format!("anna:{APR1}\nbert:{APR1}\n"));
    assert_eq!(fixture.at_once("anna", "secret", HERE).await, None);
    assert_eq!(fixture.verify("anna", "secret", HERE).await, Ok(()));
    assert_eq!(fixture.at_once("anna", "secret", HERE).await, Some(Ok(())));
    assert_eq!(fixture.at_once("anna", "secre", HERE).await, None);
    // The same password and hash, but another account.
    assert_eq!(fixture.at_once("bert", "secret", HERE).await, None);
    assert_eq!(
        fixture.verify("anna", "wrong", HERE).await,
        Err(LoginError::WrongPassword)
    );
    assert_eq!(fixture.at_once("anna", "wrong", HERE).await, None);
    assert_eq!(fixture.at_once("anna", "secret", HERE).await, Some(Ok(())));
}

#[tokio::test]
async fn what_is_remembered_is_for_the_network_that_it_came_from() {
    let fixture = Fixture::new(&format!("anna:{APR1}\n"));
    assert_eq!(fixture.verify("anna", "secret", HERE).await, Ok(()));
    assert_eq!(fixture.at_once("anna", "secret", THERE).await, None);
    let (one, same, other) = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1");
    assert_eq!(fixture.verify("anna", "secret", one.parse().unwrap()).await, Ok(()));
    assert_eq!(
        fixture.at_once("anna", "secret", same.parse().unwrap()).await,
        Some(Ok(()))
    );
    assert_eq!(fixture.at_once("anna", "secret", other.parse().unwrap()).await, None);
}

#[tokio::test]
async fn what_is_remembered_survives_a_file_that_was_opened_again_and_not_another_password() {
    let mut fixture = Fixture::new(&format!("anna:{APR1}\nbert:{APR1}\n"));
    assert_eq!(fixture.verify("anna", "secret", HERE).await, Ok(()));
    fixture.reopen(&format!("anna:{APR1}\n"));
    assert_eq!(fixture.at_once("anna", "secret", HERE).await, Some(Ok(())));
    // A salt of its own, so another hash of the same password.
    let other = crate::auth::accounts::hash_password("secret").unwrap();
    fixture.reopen(&format!("anna:{other}\n"));
    assert_eq!(fixture.at_once("anna", "secret", HERE).await, None);
    fixture.reopen("");
    assert_eq!(fixture.at_once("anna", "secret", HERE).await, None);
}

#[tokio::test]
async fn unknown_accounts_run_a_hash_of_the_file_and_never_get_in() {
    let fixture = Fixture::new(&format!("anna:{APR1}\n"));
    // The stand-in is anna's own hash, so its password is right, and still nobody gets in.
    assert_eq!(
        fixture.verify("nobody", "secret", HERE).await,
        Err(LoginError::UnknownAccount)
    );
    let current = fixture.file.current(Instant::now());
    let stand_in = current.any_account(fixture.verifier.number("nobody")).unwrap();
    assert_eq!(&*stand_in.name, "anna");
    drop(current);
    assert_eq!(
        Fixture::new("").verify("nobody", "", HERE).await,
        Err(LoginError::UnknownAccount)
    );
}

#[tokio::test]
async fn the_sixth_failure_waits_and_somebody_elsewhere_does_not() {
    let fixture = Fixture::new(&format!("anna:{APR1}\n"));
    for _ in 0..5 {
        assert_eq!(
            fixture.verify("anna", "wrong", HERE).await,
            Err(LoginError::WrongPassword)
        );
    }
    assert!(is_throttled(&fixture.verify("anna", "secret", HERE).await));
    assert_eq!(fixture.verify("anna", "secret", THERE).await, Ok(()));
    // That somebody proved it elsewhere changes nothing for who guesses here.
    assert!(is_throttled(&fixture.verify("anna", "secret", HERE).await));
}

#[tokio::test]
async fn while_an_account_pauses_right_and_wrong_are_the_same_refusal_without_a_hash() {
    let fixture = Fixture::new(&format!("anna:{APR1}\nbert:{APR1}\n"));
    for (name, client) in [("anna", HERE), ("anna", THERE), ("bert", HERE)] {
        assert_eq!(fixture.verify(name, "secret", client).await, Ok(()));
    }
    let mut wrong = 0;
    for number in 0..1000 {
        let guess = format!("guess {number}");
        match fixture.at_once("anna", &guess, HERE).await {
            Some(refused) => assert!(is_throttled(&refused), "{refused:?}"),
            None => {
                assert_eq!(
                    fixture.verify("anna", &guess, HERE).await,
                    Err(LoginError::WrongPassword)
                );
                wrong += 1;
            }
        }
    }
    assert_eq!(wrong, 5);
    for password in ["secret", "wrong"] {
        let refused = fixture.at_once("anna", password, HERE).await.expect("without a hash");
        assert!(is_throttled(&refused), "{password}: {refused:?}");
    }
    // The account's owner elsewhere, and another account here.
    assert_eq!(fixture.at_once("anna", "secret", THERE).await, Some(Ok(())));
    assert_eq!(fixture.at_once("bert", "secret", HERE).await, Some(Ok(())));
}

#[tokio::test]
async fn while_a_guess_is_tested_no_other_is_compared_with_what_is_remembered() {
    let fixture = Fixture::new(&format!("anna:{APR1}\n"));
    for client in [HERE, THERE] {
        assert_eq!(fixture.verify("anna", "secret", client).await, Ok(()));
    }
    let held = fixture.hold_threads().await;
    let mut guess = Box::pin(fixture.verify("anna", "wrong", HERE));
    assert_eq!((&mut guess).now_or_never(), None);
    let mut right = Box::pin(fixture.verify("anna", "secret", HERE));
    assert_eq!((&mut right).now_or_never(), None, "told from a wrong one");
    assert_eq!(fixture.verify("anna", "secret", THERE).now_or_never(), Some(Ok(())));
    drop(held);
    assert_eq!(
        futures_util::future::join(guess, right).await,
        (Err(LoginError::WrongPassword), Ok(()))
    );
}

#[tokio::test]
async fn a_guess_that_hangs_up_before_its_test_keeps_nobody_waiting() {
    let fixture = Fixture::new(&format!("anna:{APR1}\n"));
    let held = fixture.hold_threads().await;
    let mut guess = Box::pin(fixture.verify("anna", "wrong", HERE));
    assert_eq!((&mut guess).now_or_never(), None);
    let mut right = Box::pin(fixture.verify("anna", "secret", HERE));
    assert_eq!((&mut right).now_or_never(), None);
    drop((guess, held));
    assert_eq!(right.await, Ok(()));
}

#[tokio::test]
async fn fifty_wrong_logins_at_once_are_five_hashes_and_forty_five_refusals() {
    for threads in [1, 8] {
        let fixture = Fixture::with_threads(&format!("anna:{APR1}\n"), threads);
        let all = join_all((0..50).map(|_| fixture.verify("anna", "wrong", HERE))).await;
        let wrong = all
            .iter()
            .filter(|result| **result == Err(LoginError::WrongPassword))
            .count();
        let throttled = all.iter().filter(|result| is_throttled(result)).count();
        assert_eq!((wrong, throttled), (5, 45), "{threads} threads");
        assert_eq!(fixture.verifier.waiting.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn fifty_right_logins_at_once_are_one_hash() {
    let fixture = Fixture::with_threads(&format!("anna:{APR1}\n"), 8);
    let held = fixture.hold_threads().await;
    let mut logins: Vec<_> = (0..50)
        .map(|_| Box::pin(fixture.verify("anna", "secret", HERE)))
        .collect();
    for login in &mut logins {
        assert_eq!(login.now_or_never(), None);
    }
    drop(held);
    assert_eq!(logins.remove(0).await, Ok(()));
    let _none = fixture.hold_threads().await;
    let others = join_all(logins).now_or_never().expect("without another hash");
    assert!(others.iter().all(Result::is_ok), "{others:?}");
}

#[tokio::test]
async fn more_logins_than_can_wait_are_told_to_come_back() {
    let fixture = Fixture::new(&format!("anna:{APR1}\n"));
    let held = fixture.verifier.threads.clone().acquire_owned().await.unwrap();
    let logins = (0..MAX_WAITING + 10).map(|_| fixture.verify("anna", "secret", HERE));
    let all = futures_util::future::join(join_all(logins), async { drop(held) })
        .await
        .0;
    assert_eq!(
        all.iter().filter(|result| **result == Err(LoginError::Busy)).count(),
        10
    );
    assert_eq!(all.iter().filter(|result| **result == Ok(())).count(), MAX_WAITING);
}

#[tokio::test]
async fn a_failure_counts_although_the_client_hung_up() {
    let fixture = Fixture::new(&format!("anna:{APR1}\n"));
    let threads = &fixture.verifier.threads;
    let all = u32::try_from(threads.available_permits()).unwrap();
    for _ in 0..5 {
        // Polled once: the hash has begun, and its caller goes, as a rule before the hash has ended.
        let mut login = Box::pin(fixture.verify("anna", "wrong", HERE));
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        let _ = login.as_mut().poll(context);
        drop(login);
        // It has ended when its thread is free again.
        drop(threads.acquire_many(all).await.unwrap());
    }
    assert!(matches!(
        fixture.verify("anna", "wrong", HERE).await,
        Err(LoginError::Throttled(_))
    ));
}
