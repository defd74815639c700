//! Whether a password is right: remembered ones at once, others on a bounded number of threads.
//!
//! ```text
//! login ─▶ paused? 429 ─▶ tested for somebody else of its network? wait ─▶ remembered? in ─▶ hash on a thread
//! ```

use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};
use lockgate_config::Secret;
use tokio::sync::{Notify, Semaphore};

use super::account_file::AccountFile;
use super::htpasswd_parser::Account;
use super::password_hash::PasswordHash;
use super::throttle::{Proof, Throttle, ThrottleDecision};

/// Logins that may wait for a thread; each holds a connection, none holds a hash's memory.
const MAX_WAITING: usize = 256;
/// What is checked when there is no account at all: argon2id with the parameters of new accounts.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bG9ja2dhdGUtbm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Checks passwords. One for the life of the process: it outlives every reload of the configuration.
pub(in crate::auth) struct Verifier {
    /// Of this process alone: what is remembered is worth nothing elsewhere.
    key: hmac::Key,
    /// One a core but one: at most so many hashes, and so much of their memory, at a time.
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
    throttle: Mutex<Throttle>,
    /// Wakes those who wait until the password of their account has been tested for somebody of their network.
    test_ended: Notify,
    nobody: PasswordHash,
}

/// Why a login is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum LoginError {
    WrongPassword,
    /// There is no such account.
    UnknownAccount,
    /// The account or the network had too many failures; it waits so long.
    Throttled(Duration),
    /// Too many logins at once.
    Busy,
}

impl Verifier {
    pub(in crate::auth) fn new() -> Self {
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
            test_ended: Notify::new(),
            nobody: NOBODYS_HASH.parse().expect("the hash is well-formed"),
        }
    }

    /// The account, when the password is right. One that proved right within the last minutes takes microseconds.
    ///
    /// A failure is counted even if the caller has gone meanwhile: hanging up early buys no guesses.
    pub(in crate::auth) async fn verify(
        self: &Arc<Self>,
        file: &Arc<AccountFile>,
        name: &str,
        password: &Secret,
        client: IpAddr,
    ) -> Result<Arc<Account>, LoginError> {
        let mut waiting = None;
        let test = loop {
            let mut ended = pin!(self.test_ended.notified());
            ended.as_mut().enable();
            let answer = self.ask(file, name, password.reveal(), client)?;
            if let LoginCheck::Right(account) = answer {
                return Ok(account);
            }
            if waiting.is_none() {
                waiting = Some(Waiting::enter(&self.waiting).ok_or(LoginError::Busy)?);
            }
            match answer {
                LoginCheck::Test(test) => break test,
                _ => ended.await,
            }
        };
        let permit = self
            .threads
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| LoginError::Busy)?;
        drop(waiting);
        // While this one waited, others of its network may have failed too often.
        if let Some(pause) = self.throttle().pause(name, client, Instant::now()) {
            return Err(LoginError::Throttled(pause));
        }
        let (file, password) = (file.clone(), password.clone());
        let check = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            test.run(&file, password.reveal())
        });
        check.await.unwrap_or(Err(LoginError::Busy))
    }

    /// What is known of a login before any hash is computed: microseconds, the same for every password.
    fn ask(
        self: &Arc<Self>,
        file: &AccountFile,
        name: &str,
        password: &str,
        client: IpAddr,
    ) -> Result<LoginCheck, LoginError> {
        let now = Instant::now();
        let account = file.current(now).account(name).cloned();
        let hash = account.as_deref().map_or(&self.nobody, |account| &account.hash);
        let proof = self.proof(name, password, hash);
        match (self.throttle().decide(name, client, &proof, now), account) {
            (ThrottleDecision::Paused(pause), _) => Err(LoginError::Throttled(pause)),
            (ThrottleDecision::Wait, _) => Ok(LoginCheck::Wait),
            (ThrottleDecision::Remembered, Some(account)) => Ok(LoginCheck::Right(account)),
            // Nothing is remembered of who does not exist.
            (ThrottleDecision::Remembered, None) => Err(LoginError::UnknownAccount),
            (ThrottleDecision::Test, _) => Ok(LoginCheck::Test(PasswordTest {
                verifier: self.clone(),
                name: name.to_owned(),
                client,
            })),
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept in place of a password: useless without the process's key, and bound to the account and its hash.
    fn proof(&self, name: &str, password: &str, hash: &PasswordHash) -> Proof {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [name, password, hash.reveal()] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut proof = Proof::default();
        proof.copy_from_slice(context.sign().as_ref());
        proof
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

/// What is known of a login at once.
enum LoginCheck {
    Right(Arc<Account>),
    /// Ask again when a test has ended.
    Wait,
    Test(PasswordTest),
}

/// The right to test one password of an account from one network, and nobody else's meanwhile.
struct PasswordTest {
    verifier: Arc<Verifier>,
    name: String,
    client: IpAddr,
}

impl PasswordTest {
    fn run(self, file: &AccountFile, password: &str) -> Result<Arc<Account>, LoginError> {
        let (verifier, name) = (&self.verifier, self.name.as_str());
        let (account, right) = {
            // Somebody may have added the account a moment ago; a look is nothing beside a hash.
            let current = file.as_it_is();
            let account = current.account(name).cloned();
            // An unknown account costs what some known one costs, always the same one for the same name; a file that
            // mixes kinds of hash then tells nothing either. The result is thrown away.
            let stand_in = || {
                current
                    .any_account(verifier.number(name))
                    .map_or(&verifier.nobody, |account| &account.hash)
            };
            let hash = account
                .as_deref()
                .map_or_else(stand_in, |account| &account.hash)
                .clone();
            (account, hash.verify(password))
        };
        let now = Instant::now();
        match account {
            Some(account) if right => {
                let proof = verifier.proof(name, password, &account.hash);
                verifier.throttle().succeeded(name, self.client, proof, now);
                Ok(account)
            }
            account => {
                verifier.throttle().failed(name, self.client, now);
                Err(if account.is_some() {
                    LoginError::WrongPassword
                } else {
                    LoginError::UnknownAccount
                })
            }
        }
    }
}

impl Drop for PasswordTest {
    fn drop(&mut self) {
        self.verifier.throttle().tested(&self.name, self.client);
        self.verifier.test_ended.notify_waiters();
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
#[path = "verifier_tests.rs"]
mod tests;
