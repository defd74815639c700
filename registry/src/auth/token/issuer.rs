//! The built-in token server's own part: making tokens.

use std::sync::Arc;
use std::time::Duration;

use lockgate_config::Issuer;
use time::OffsetDateTime;
use uuid::Uuid;

use super::claims::{Audience, Claims, ResourceActions};
use super::jws;
use super::request::TokenResponse;
use super::signing_key::{KeyError, SigningKey};
use crate::auth::policy::Scope;

/// Clients cannot use a shorter one: docker takes 60 s for granted.
const LEAST_EXPIRATION: Duration = Duration::from_secs(60);
pub(in crate::auth) struct TokenIssuer {
    settings: Issuer,
    key: SigningKey,
}

/// Why no token was made; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::auth) enum IssueError {
    #[error("cannot write the claims of a token")]
    Claims,
    #[error("cannot sign a token")]
    Signature,
}

impl TokenIssuer {
    pub(in crate::auth) fn new(settings: &Issuer) -> Result<Self, KeyError> {
        Ok(Self {
            key: SigningKey::open(&settings.key)?,
            settings: settings.clone(),
        })
    }

    pub(in crate::auth) fn settings(&self) -> &Issuer {
        &self.settings
    }

    pub(in crate::auth) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A token that grants `scopes` to `account`, for `service`.
    pub(in crate::auth) fn issue(
        &self,
        account: Option<&str>,
        credential: Option<String>,
        service: Option<&str>,
        scopes: &[Scope],
        now: OffsetDateTime,
    ) -> Result<TokenResponse, IssueError> {
        let expires_in = self.settings.expiration.max(LEAST_EXPIRATION);
        let seconds = now.unix_timestamp();
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            sub: account.unwrap_or_default().to_owned(),
            // A text rather than a list of one: distribution 2 reads nothing else.
            aud: Audience::One(service.unwrap_or(&self.settings.service).to_owned()),
            exp: seconds.saturating_add_unsigned(expires_in.as_secs()),
            nbf: seconds,
            iat: seconds,
            jti: Uuid::new_v4().to_string(),
            access: Some(scopes.iter().map(ResourceActions::of).collect()),
            credential,
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| IssueError::Claims)?;
        let token = jws::compact(&self.key.header(), &claims, |message| self.key.sign(message));
        let token = token.map_err(|_| IssueError::Signature)?;
        Ok(TokenResponse {
            token,
            expires_in,
            issued_at: now,
            account: account.map(Arc::from),
        })
    }
}
