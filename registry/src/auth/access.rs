//! The gate: who is it, and may they?

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lockgate_config::Auth;

use super::account_file::AccountFile;
use super::challenge::{self, ChallengeError};
use super::credentials::{BasicCredentials, Credentials};
use super::refusal::Refusal;
use super::scope::{Actions, Scope};
use super::verifier::{Denial, Verifier};

/// Who may do what. One for the life of the process; a reload changes what is in force.
pub struct Access {
    verifier: Arc<Verifier>,
    policy: ArcSwap<Policy>,
}

/// What one configuration says.
struct Policy {
    accounts: Option<Arc<AccountFile>>,
    realm: String,
    /// No `auth` at all.
    open: bool,
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    account: Option<Arc<str>>,
    /// What the token grants, when there is one.
    grants: Option<Arc<[Scope]>>,
}

impl Principal {
    /// Somebody without credentials.
    pub const ANONYMOUS: Self = Self {
        account: None,
        grants: None,
    };

    /// The account; `None` = not logged in.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Whether it was a token that was sent.
    pub fn by_token(&self) -> bool {
        self.grants.is_some()
    }
}

/// Whether somebody may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// They may.
    Granted,
    /// This account may not: 403.
    Denied,
    /// Not without (other) credentials: 401 with a challenge.
    NeedsLogin,
}

impl Access {
    /// Reads the files that `auth` names.
    pub fn new(auth: &Auth) -> Result<Self, AccessError> {
        let policy = Policy::new(auth, None)?;
        Ok(Self {
            verifier: Arc::new(Verifier::new()),
            policy: ArcSwap::from_pointee(policy),
        })
    }

    /// Goes on with `auth`; on an error nothing changes.
    pub fn reload(&self, auth: &Auth) -> Result<(), AccessError> {
        let policy = Policy::new(auth, Some(&self.policy.load()))?;
        self.policy.store(Arc::new(policy));
        Ok(())
    }

    /// Who it is, by the value of the `Authorization` header.
    ///
    /// Costs microseconds and stays on its thread when the password proved right within the last minutes.
    pub async fn authenticate(&self, authorization: Option<&str>, client: IpAddr) -> Result<Principal, Refusal> {
        let policy = self.policy.load();
        let Some(header) = authorization.filter(|_| !policy.open) else {
            return Ok(Principal::ANONYMOUS);
        };
        match Credentials::parse(header) {
            Ok(Credentials::Basic(basic)) => {
                let file = policy.accounts.clone();
                drop(policy);
                self.log_in(file, &basic, client).await
            }
            Ok(Credentials::Bearer(_)) => Err(Refusal::unauthorized(
                "tokens are not accepted here",
                "a token was sent",
            )),
            Err(_) => Err(Refusal::unauthorized(
                "the Authorization header is malformed",
                "malformed Authorization header",
            )),
        }
    }

    async fn log_in(
        &self,
        file: Option<Arc<AccountFile>>,
        basic: &BasicCredentials,
        client: IpAddr,
    ) -> Result<Principal, Refusal> {
        const MESSAGE: &str = "wrong account or password";
        let Some(file) = file else {
            return Err(Refusal::unauthorized(
                "passwords are not accepted here",
                "a password was sent; there are no accounts",
            ));
        };
        match self
            .verifier
            .verify(&file, &basic.account, &basic.password, client)
            .await
        {
            Ok(account) => Ok(Principal {
                account: Some(account.name().into()),
                grants: None,
            }),
            Err(Denial::WrongPassword) => Err(Refusal::unauthorized(
                MESSAGE,
                format!("wrong password for account {}", basic.account),
            )),
            // Not even in the log by name: people type their password into the wrong field.
            Err(Denial::UnknownAccount) => Err(Refusal::unauthorized(MESSAGE, "unknown account")),
            Err(Denial::Throttled(pause)) => Err(Refusal::throttled(pause, "too many failed logins")),
            Err(Denial::Busy) => Err(Refusal::throttled(
                std::time::Duration::from_secs(1),
                "too many logins at once",
            )),
        }
    }

    /// Whether `principal` may do all of `scope`'s actions.
    pub fn authorize(&self, principal: &Principal, scope: &Scope, _client: IpAddr) -> Decision {
        let policy = self.policy.load();
        if policy.open || (principal.account.is_some() && Actions::ALL.cover(scope.actions())) {
            Decision::Granted
        } else {
            Decision::NeedsLogin
        }
    }

    /// Whether `GET /v2/` is answered 200: docker takes its status for the answer to "do I need to log in?".
    pub fn ping(&self, principal: &Principal) -> Decision {
        let welcome = self.policy.load().open || principal.account.is_some() || principal.by_token();
        if welcome {
            Decision::Granted
        } else {
            Decision::NeedsLogin
        }
    }

    /// The values of `WWW-Authenticate` for a 401. `base_url` is the registry's own, without a slash at its end.
    pub fn challenge(&self, _scopes: &[Scope], _base_url: &str, _error: ChallengeError) -> Vec<String> {
        vec![challenge::basic(&self.policy.load().realm)]
    }
}

impl Policy {
    fn new(auth: &Auth, before: Option<&Self>) -> Result<Self, AccessError> {
        if auth.acl.is_some() || auth.token.is_some() || auth.issuer.is_some() || auth.anonymous.is_some() {
            return Err(AccessError::Unsupported);
        }
        let accounts = match &auth.htpasswd {
            Some(htpasswd) => Some(open_accounts(&htpasswd.path, before)?),
            None => None,
        };
        let realm = auth
            .htpasswd
            .as_ref()
            .map_or("Lockgate", |htpasswd| &htpasswd.realm)
            .to_owned();
        Ok(Self {
            open: accounts.is_none(),
            accounts,
            realm,
        })
    }
}

/// The same file stays open across a reload, and with it what is remembered.
fn open_accounts(path: &PathBuf, before: Option<&Policy>) -> Result<Arc<AccountFile>, AccessError> {
    let same = before
        .and_then(|policy| policy.accounts.clone())
        .filter(|file| file.path() == path);
    match same {
        Some(file) => Ok(file),
        None => match AccountFile::open(path) {
            Ok(file) => Ok(Arc::new(file)),
            Err(source) => Err(AccessError::File {
                key: "auth.htpasswd.path",
                path: path.clone(),
                source,
            }),
        },
    }
}

/// Why a configuration's `auth` cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file cannot be read.
    #[error("{key}: {path}: {source}", path = path.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not yet.
    #[error("auth.acl, auth.token, auth.issuer and auth.anonymous are not supported yet")]
    Unsupported,
}
