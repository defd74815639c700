//! The accounts, rules and tokens of the configuration that requests are judged by now.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use lockgate_config::{Auth, ExternalTokens};
use time::OffsetDateTime;

use super::config_error::AuthConfigError;
use super::error::AuthError;
use super::password::{Account, AccountFile};
use super::policy::{Policy, Principal, Scope};
use super::token::{TokenIssuer, TokenResponse, TokenVerifier, TrustedKeys};

/// What the `auth` section of one configuration allows.
pub(super) struct ActivePolicy {
    /// Whether the configuration has no `auth` at all, so that everybody may do everything.
    pub(super) open: bool,
    pub(super) accounts: Option<Arc<AccountFile>>,
    pub(super) realm: String,
    pub(super) policy: Policy,
    pub(super) issuer: Option<TokenIssuer>,
    pub(super) external: Option<ExternalTokens>,
    /// Of the issuer's own tokens, or of the external server's.
    tokens: Option<TokenVerifier>,
}

impl ActivePolicy {
    pub(super) fn new(auth: &Auth, before: Option<&Self>) -> Result<Self, AuthConfigError> {
        let accounts = match &auth.htpasswd {
            Some(htpasswd) => Some(open_accounts(&htpasswd.path, before)?),
            None => None,
        };
        let issuer = auth.issuer.as_ref().map(TokenIssuer::new).transpose()?;
        let tokens = match (&issuer, &auth.token) {
            (Some(issuer), _) => {
                let settings = issuer.settings();
                Some(TokenVerifier::new(
                    TrustedKeys::own(issuer.key()),
                    &settings.issuer,
                    &settings.service,
                ))
            }
            (None, Some(external)) => Some(TokenVerifier::new(
                TrustedKeys::external(external)?,
                &external.issuer,
                &external.service,
            )),
            (None, None) => None,
        };
        Ok(Self {
            // Any of these keys ends open access, also one that is not used: it must not leave the registry open.
            open: accounts.is_none() && tokens.is_none() && auth.acl.is_none() && auth.anonymous.is_none(),
            accounts,
            realm: auth
                .htpasswd
                .as_ref()
                .map_or("Lockgate", |htpasswd| &htpasswd.realm)
                .to_owned(),
            policy: Policy::new(auth)?,
            issuer,
            external: auth.token.clone(),
            tokens,
        })
    }

    /// The sender of `token`, when it is good.
    pub(super) fn verify_token(&self, token: &str) -> Result<Principal, AuthError> {
        let Some(tokens) = &self.tokens else {
            return Err(AuthError::unauthorized(
                "tokens are not accepted here",
                "a token was sent, and none are issued",
            ));
        };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let verified = tokens
            .verify(token, now)
            .map_err(|error| AuthError::invalid_token(error.to_string()))?;
        if let (Some(issuer), Some(name)) = (&self.issuer, &verified.account) {
            // The account is as it was: an own token dies with its account and with its password.
            let current = self.accounts.as_ref().map(|file| file.current(Instant::now()));
            let fingerprint = current
                .as_ref()
                .and_then(|current| current.account(name))
                .map(|account| issuer.key().fingerprint(name, account.hash.reveal()));
            if fingerprint.is_none() || fingerprint.as_deref() != verified.credential() {
                return Err(AuthError::invalid_token(
                    "the token's account is gone, or has another password",
                ));
            }
        }
        Ok(Principal {
            account: verified.account.clone(),
            grants: Some(verified.grants.clone()),
        })
    }

    /// A token for what `scopes` wish and the account may do. Without any wish, it says who somebody is.
    pub(super) fn issue(
        &self,
        account: Option<&Account>,
        service: Option<&str>,
        scopes: &[Scope],
        client: IpAddr,
    ) -> Result<TokenResponse, AuthError> {
        let Some(issuer) = &self.issuer else {
            return Err(AuthError::malformed("no tokens are issued here"));
        };
        if account.is_none() && !self.policy.is_open_to_anonymous() {
            return Err(AuthError::unauthorized(
                "log in to get a token",
                "no credentials, and nothing is open to anybody",
            ));
        }
        let name = account.map(|account| &*account.name);
        let mut granted: Vec<Scope> = Vec::new();
        for scope in scopes {
            let actions = self.policy.granted(name, scope, service, Some(client));
            let scope = scope.with_actions(actions);
            if !actions.is_empty() && !granted.contains(&scope) {
                granted.push(scope);
            }
        }
        let credential = account.map(|account| issuer.key().fingerprint(&account.name, account.hash.reveal()));
        Ok(issuer.issue(name, credential, service, &granted, OffsetDateTime::now_utc())?)
    }
}

/// The same file stays open across a reload.
fn open_accounts(path: &PathBuf, before: Option<&ActivePolicy>) -> Result<Arc<AccountFile>, AuthConfigError> {
    let same = before
        .and_then(|before| before.accounts.clone())
        .filter(|file| file.path() == path);
    match same {
        Some(file) => Ok(file),
        None => match AccountFile::open(path) {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(AuthConfigError::NoAccounts(path.clone())),
            Err(source) => Err(AuthConfigError::File {
                key: "auth.htpasswd.path",
                path: path.clone(),
                source,
            }),
        },
    }
}
