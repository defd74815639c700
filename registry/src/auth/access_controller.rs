//! Who sent a request, and whether they may do what it asks.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lockgate_config::{Auth, Secret};

use super::active_policy::ActivePolicy;
use super::challenge::{self, ChallengeError};
use super::config_error::AuthConfigError;
use super::credentials::{Credentials, Token};
use super::error::AuthError;
use super::password::{Account, AccountFile, LoginError, Verifier};
use super::policy::{Actions, Decision, Explanation, Policy, Principal, Scope, is_granted};
use super::token::{TokenRequest, TokenResponse};
use crate::oci::RepositoryName;

/// Who may do what. One for the life of the process; a reload changes what is in force.
pub struct AccessController {
    verifier: Arc<Verifier>,
    active: ArcSwap<ActivePolicy>,
}

impl AccessController {
    /// Reads the files that `auth` names; makes the token key when it is missing.
    pub fn new(auth: &Auth) -> Result<Self, AuthConfigError> {
        let active = ActivePolicy::new(auth, None)?;
        Ok(Self {
            verifier: Arc::new(Verifier::new()),
            active: ArcSwap::from_pointee(active),
        })
    }

    /// Goes on with `auth`, and reads its files again; on an error nothing changes.
    pub fn reload(&self, auth: &Auth) -> Result<(), AuthConfigError> {
        let active = ActivePolicy::new(auth, Some(&self.active.load()))?;
        self.active.store(Arc::new(active));
        Ok(())
    }

    /// Who it is, by the value of the `Authorization` header.
    ///
    /// Costs microseconds and stays on its thread when the password or token proved right within the last minutes.
    pub async fn authenticate(&self, authorization: Option<&str>, client: IpAddr) -> Result<Principal, AuthError> {
        let active = self.active.load();
        let Some(header) = authorization.filter(|_| !active.open) else {
            return Ok(Principal::ANONYMOUS);
        };
        match Credentials::parse(header) {
            Ok(Credentials::Basic(basic)) => {
                let file = active.accounts.clone();
                drop(active);
                let account = self.log_in(file, &basic.account, &basic.password, client).await?;
                Ok(Principal {
                    account: Some(account.name.as_ref().into()),
                    grants: None,
                })
            }
            Ok(Credentials::Bearer(Token(token))) => active.verify_token(token),
            Err(_) => Err(AuthError::unauthorized(
                "the Authorization header is malformed",
                "malformed Authorization header",
            )),
        }
    }

    async fn log_in(
        &self,
        file: Option<Arc<AccountFile>>,
        name: &str,
        password: &Secret,
        client: IpAddr,
    ) -> Result<Arc<Account>, AuthError> {
        const MESSAGE: &str = "wrong account or password";
        let Some(file) = file else {
            return Err(AuthError::unauthorized(
                "passwords are not accepted here",
                "a password was sent; there are no accounts",
            ));
        };
        self.verifier
            .verify(&file, name, password, client)
            .await
            .map_err(|denial| match denial {
                LoginError::WrongPassword => {
                    AuthError::unauthorized(MESSAGE, format!("wrong password for account {name}"))
                }
                // Not even in the log by name: people type their password into the wrong field.
                LoginError::UnknownAccount => AuthError::unauthorized(MESSAGE, "unknown account"),
                LoginError::Throttled(pause) => AuthError::throttled(pause),
                LoginError::Busy => AuthError::busy(),
            })
    }

    /// Whether `principal` may do all of `scope`'s actions.
    pub fn authorize(&self, principal: &Principal, scope: &Scope, client: IpAddr) -> Decision {
        let active = self.active.load();
        let wished = scope.actions();
        let granted = active.open
            || match &principal.grants {
                Some(grants) => is_granted(grants, scope),
                None => {
                    let account = principal.account();
                    active.policy.granted(account, scope, None, Some(client)) == wished && !wished.is_empty()
                }
            };
        match principal {
            _ if granted => Decision::Granted,
            // Another token may do; 401 with `insufficient_scope`, as distribution answers.
            Principal {
                account: Some(_),
                grants: None,
            } => Decision::Denied,
            _ => Decision::NeedsLogin,
        }
    }

    /// Whether `principal` may know of a repository, in a list of them or as the source of a mount nobody named.
    ///
    /// A token that allows listing names no repositories, so the rights of its account count: those of the rules for
    /// an own token; an external server that lets somebody list has said all that there is to say.
    pub fn may_know_of(&self, principal: &Principal, repository: &RepositoryName, client: IpAddr) -> bool {
        let active = self.active.load();
        let scope = Scope::repository(repository, Actions::PULL);
        let by_rules = || active.policy.granted(principal.account(), &scope, None, Some(client)) == Actions::PULL;
        active.open
            || match &principal.grants {
                None => by_rules(),
                Some(grants) if active.issuer.is_some() => is_granted(grants, &scope) || by_rules(),
                Some(grants) => is_granted(grants, &scope) || is_granted(grants, &Scope::catalog()),
            }
    }

    /// Whether `GET /v2/` is answered 200: docker takes its status for the answer to "do I need to log in?".
    pub fn ping(&self, principal: &Principal) -> Decision {
        let welcome = self.active.load().open || principal.account.is_some() || principal.by_token();
        if welcome {
            Decision::Granted
        } else {
            Decision::NeedsLogin
        }
    }

    /// The values of `WWW-Authenticate` for a 401. `base_url` is the registry's own, without a slash at its end.
    ///
    /// Bearer alone where tokens are issued, since docker mishandles both at once; Basic is accepted nevertheless.
    pub fn challenge(&self, scopes: &[Scope], base_url: &str, error: ChallengeError) -> Vec<String> {
        let active = self.active.load();
        let base_url = base_url.trim_end_matches('/');
        vec![match (&active.issuer, &active.external) {
            (Some(issuer), _) => {
                let settings = issuer.settings();
                let realm = settings
                    .realm
                    .clone()
                    .unwrap_or_else(|| format!("{base_url}{}", settings.path));
                challenge::bearer(&realm, &settings.service, scopes, error)
            }
            (None, Some(external)) => {
                let redirected = external
                    .auto_redirect
                    .then(|| format!("{base_url}{}", external.auto_redirect_path));
                let realm = redirected.as_ref().unwrap_or(&external.realm);
                challenge::bearer(realm, &external.service, scopes, error)
            }
            (None, None) => challenge::basic(&active.realm),
        }]
    }

    /// The path where tokens are issued, when they are.
    pub fn token_path(&self) -> Option<String> {
        self.active
            .load()
            .issuer
            .as_ref()
            .map(|issuer| issuer.settings().path.clone())
    }

    /// The value of `WWW-Authenticate` for a 401 of the token path itself.
    pub fn token_challenge(&self) -> String {
        challenge::basic(&self.active.load().realm)
    }

    /// A token for what `request` asks and the account may do: less than asked for, or nothing, is no error.
    pub async fn token(
        &self,
        request: TokenRequest,
        authorization: Option<&str>,
        client: IpAddr,
    ) -> Result<TokenResponse, AuthError> {
        let credentials = match (request.password, authorization.map(Credentials::parse)) {
            (Some(credentials), _) => Some(credentials),
            (None, Some(Ok(Credentials::Basic(basic)))) => Some((basic.account, basic.password)),
            (None, Some(_)) => {
                return Err(AuthError::unauthorized(
                    "a token takes an account and its password",
                    "no Basic credentials",
                ));
            }
            (None, None) => None,
        };
        if let (Some(said), Some((account, _))) = (&request.account, &credentials)
            && said != account
        {
            return Err(AuthError::malformed(
                "the parameter account is not the account of the credentials",
            ));
        }
        let file = self.active.load().accounts.clone();
        let account = match credentials {
            Some((name, password)) => Some(self.log_in(file, &name, &password, client).await?),
            None => None,
        };
        self.active
            .load()
            .issue(account.as_deref(), request.service.as_deref(), &request.scopes, client)
    }

    /// The key set that own tokens can be verified with, JSON; `None` when none are issued.
    pub fn jwks(&self) -> Option<String> {
        self.active.load().issuer.as_ref().map(|issuer| issuer.key().jwks())
    }
}

/// Why `account` (`None` = not logged in) may do what `scope` says under `auth`, or may not. Whether the account exists
/// is not looked at; rules about addresses match only when `client` is given.
pub fn explain(
    auth: &Auth,
    account: Option<&str>,
    scope: &Scope,
    client: Option<IpAddr>,
) -> Result<Explanation, AuthConfigError> {
    Ok(Policy::new(auth)?.explain(account, scope, client))
}

#[cfg(test)]
#[path = "access_controller_tests.rs"]
mod tests;
