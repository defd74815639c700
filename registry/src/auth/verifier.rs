//! Whether a password is right: remembered ones at once, others on a bounded number of threads.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};
use lockgate_config::Secret;
use tokio::sync::Semaphore;

use super::account_file::{Account, AccountFile};
use super::password_hash::PasswordHash;
use super::throttle::Throttle;

/// How long a right password is remembered.
const REMEMBER: Duration = Duration::from_secs(300);
/// Logins that may wait for a thread; each holds a connection, none holds a hash's memory.
const MAX_WAITING: usize = 256;
/// What is checked when there is no account at all: argon2id with the parameters of new accounts.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bG9ja2dhdGUtbm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Checks passwords. One for the life of the process: it outlives every reload of the configuration.
pub(super) struct Verifier {
    /// Of this process alone: what is remembered is worth nothing elsewhere.
    key: hmac::Key,
    /// One a core but one: at most so many hashes, and so much of their memory, at a time.
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
    throttle: Mutex<Throttle>,
    nobody: PasswordHash,
}

/// Why a login is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// The password is wrong.
    WrongPassword,
    /// There is no such account.
    UnknownAccount,
    /// Too many failures.
    Throttled(Duration),
    /// Too many logins at once.
    Busy,
}

impl Verifier {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads(cores.saturating_sub(1).max(1))
    }

    fn with_threads(threads: usize) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new());
        Self {
            key: key.expect("the system has randomness"),
            threads: Arc::new(Semaphore::new(threads)),
            waiting: AtomicUsize::new(0),
            throttle: Mutex::new(Throttle::new()),
            nobody: NOBODYS_HASH.parse().expect("the hash is well-formed"),
        }
    }

    /// The account, when this very password proved right within the last minutes. Microseconds, and never blocks.
    pub(super) fn remembered(&self, file: &AccountFile, name: &str, password: &str) -> Option<Arc<Account>> {
        let now = Instant::now();
        let current = file.current(now);
        let account = current.account(name)?;
        account
            .remembers(&self.proof(account, password), now)
            .then(|| account.clone())
    }

    /// The account, when the password is right.
    ///
    /// A failure is counted even if the caller has gone meanwhile: hanging up early buys no guesses.
    pub(super) async fn verify(
        self: &Arc<Self>,
        file: &Arc<AccountFile>,
        name: &str,
        password: &Secret,
        client: IpAddr,
    ) -> Result<Arc<Account>, Denial> {
        if let Some(account) = self.remembered(file, name, password.reveal()) {
            return Ok(account);
        }
        self.check_pause(name, client)?;
        let permit = {
            let _waiting = Waiting::enter(&self.waiting).ok_or(Denial::Busy)?;
            self.threads.clone().acquire_owned().await.map_err(|_| Denial::Busy)?
        };
        // While this one waited, others may have proved the password right, or failed too often.
        if let Some(account) = self.remembered(file, name, password.reveal()) {
            return Ok(account);
        }
        self.check_pause(name, client)?;

        let (verifier, file, name, password) = (self.clone(), file.clone(), name.to_owned(), password.clone());
        let check = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            verifier.verify_now(&file, &name, password.reveal(), client)
        });
        check.await.unwrap_or(Err(Denial::Busy))
    }

    fn verify_now(
        &self,
        file: &AccountFile,
        name: &str,
        password: &str,
        client: IpAddr,
    ) -> Result<Arc<Account>, Denial> {
        let (account, right) = {
            let current = file.current(Instant::now());
            let account = current.account(name).cloned();
            // An unknown account costs what some known one costs, always the same one for the same name; a file that
            // mixes kinds of hash then tells nothing either. The result is thrown away.
            let stand_in = || {
                current
                    .any_account(self.number(name))
                    .map_or(&self.nobody, |account| account.hash())
            };
            let hash = account.as_deref().map_or_else(stand_in, Account::hash).clone();
            (account, hash.verify(password))
        };
        let now = Instant::now();
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        match account {
            Some(account) if right => {
                throttle.succeeded(name, client);
                account.remember(self.proof(&account, password), now + REMEMBER);
                Ok(account)
            }
            account => {
                throttle.failed(name, client, now);
                Err(if account.is_some() {
                    Denial::WrongPassword
                } else {
                    Denial::UnknownAccount
                })
            }
        }
    }

    fn check_pause(&self, name: &str, client: IpAddr) -> Result<(), Denial> {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle
            .pause(name, client, Instant::now())
            .map_or(Ok(()), |pause| Err(Denial::Throttled(pause)))
    }

    /// What is kept in place of a password: useless without the process's key, and bound to the account and its hash.
    fn proof(&self, account: &Account, password: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [account.name(), password, account.hash().reveal()] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }

    /// A number for `name` that nobody outside can foretell.
    fn number(&self, name: &str) -> u64 {
        let tag = hmac::sign(&self.key, name.as_bytes());
        tag.as_ref()
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
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
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("htpasswd");
            std::fs::write(&path, lines).unwrap();
            let file = Arc::new(AccountFile::open(&path).unwrap());
            Self {
                verifier: Arc::new(Verifier::with_threads(1)),
                file,
                _directory: directory,
            }
        }

        async fn verify(&self, name: &str, password: &str, client: IpAddr) -> Result<(), Denial> {
            self.verifier
                .verify(&self.file, name, &Secret::new(password), client)
                .await
                .map(drop)
        }
    }

    #[tokio::test]
    async fn a_right_password_is_remembered_and_a_wrong_one_is_not() {
        let fixture = Fixture::new(&format!("anna:{APR1}\nbert:{APR1}\n"));
        let remembered = |name, password| fixture.verifier.remembered(&fixture.file, name, password).is_some();
        assert!(!remembered("anna", "secret"));
        assert_eq!(fixture.verify("anna", "secret", HERE).await, Ok(()));
        assert!(remembered("anna", "secret"));
        assert!(!remembered("anna", "secre"));
        assert!(
            !remembered("bert", "secret"),
            "the same password and hash, but another account"
        );
        assert_eq!(fixture.verify("anna", "wrong", HERE).await, Err(Denial::WrongPassword));
        assert!(!remembered("anna", "wrong") && remembered("anna", "secret"));
    }

    #[tokio::test]
    async fn unknown_accounts_run_a_hash_of_the_file_and_never_get_in() {
        let fixture = Fixture::new(&format!("anna:{APR1}\n"));
        // The stand-in is anna's own hash, so its password is right, and still nobody gets in.
        assert_eq!(
            fixture.verify("nobody", "secret", HERE).await,
            Err(Denial::UnknownAccount)
        );
        let current = fixture.file.current(Instant::now());
        let stand_in = current.any_account(fixture.verifier.number("nobody")).unwrap();
        assert_eq!(stand_in.name(), "anna");
        drop(current);
        assert_eq!(
            Fixture::new("").verify("nobody", "", HERE).await,
            Err(Denial::UnknownAccount)
        );
    }

    #[tokio::test]
    async fn the_sixth_failure_waits_and_somebody_elsewhere_does_not() {
        let fixture = Fixture::new(&format!("anna:{APR1}\n"));
        for _ in 0..5 {
            assert_eq!(fixture.verify("anna", "wrong", HERE).await, Err(Denial::WrongPassword));
        }
        assert!(matches!(
            fixture.verify("anna", "secret", HERE).await,
            Err(Denial::Throttled(_))
        ));
        assert_eq!(fixture.verify("anna", "secret", THERE).await, Ok(()));
        // What is remembered is let in whatever others did from the same address.
        assert_eq!(fixture.verify("anna", "secret", HERE).await, Ok(()));
    }

    #[tokio::test]
    async fn fifty_wrong_logins_at_once_are_five_hashes_and_forty_five_refusals() {
        let fixture = Fixture::new(&format!("anna:{APR1}\n"));
        let all = futures_util::future::join_all((0..50).map(|_| fixture.verify("anna", "wrong", HERE))).await;
        let wrong = all
            .iter()
            .filter(|result| **result == Err(Denial::WrongPassword))
            .count();
        let throttled = all
            .iter()
            .filter(|result| matches!(result, Err(Denial::Throttled(_))))
            .count();
        assert_eq!((wrong, throttled), (5, 45));
        assert_eq!(fixture.verifier.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn more_logins_than_can_wait_are_told_to_come_back() {
        let fixture = Fixture::new(&format!("anna:{APR1}\n"));
        let held = fixture.verifier.threads.clone().acquire_owned().await.unwrap();
        let logins = (0..MAX_WAITING + 10).map(|_| fixture.verify("anna", "secret", HERE));
        let all = futures_util::future::join(futures_util::future::join_all(logins), async { drop(held) })
            .await
            .0;
        assert_eq!(all.iter().filter(|result| **result == Err(Denial::Busy)).count(), 10);
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
            Err(Denial::Throttled(_))
        ));
    }
}
