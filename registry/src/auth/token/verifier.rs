//! Whether a token is good: whose, for whom, until when, for what. Good ones are remembered.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use lru::LruCache;

use super::claims::Claims;
use super::jws::Jws;
use super::trusted_keys::TrustedKeys;
use crate::auth::policy::Scope;

/// Good tokens that are remembered.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Checks tokens of one issuer for one service.
pub(in crate::auth) struct TokenVerifier {
    trusted_keys: TrustedKeys,
    issuer: String,
    service: String,
    good: Mutex<LruCache<[u8; 32], Arc<Verified>>>,
}

/// What a token says that has been verified.
#[derive(Debug)]
pub(in crate::auth) struct Verified {
    claims: Claims,
    pub(in crate::auth) account: Option<Arc<str>>,
    pub(in crate::auth) grants: Arc<[Scope]>,
}

impl Verified {
    /// The fingerprint of the account's password that an own token holds.
    pub(in crate::auth) fn credential(&self) -> Option<&str> {
        self.claims.credential.as_deref()
    }
}

/// Why a token is refused; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::auth) enum InvalidToken {
    #[error("the token is malformed or too long")]
    Malformed,
    #[error("the token is signed with an unknown key, or an algorithm that is not accepted")]
    Untrusted,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token is of another issuer, or for another service")]
    Elsewhere,
    #[error("the token is expired, or not valid yet")]
    Expired,
}

impl TokenVerifier {
    pub(in crate::auth) fn new(trusted_keys: TrustedKeys, issuer: &str, service: &str) -> Self {
        let good = Mutex::new(LruCache::sparse(CAPACITY));
        Self {
            trusted_keys,
            issuer: issuer.to_owned(),
            service: service.to_owned(),
            good,
        }
    }

    /// What the token says, when it is good at `now` (seconds since 1970).
    pub(in crate::auth) fn verify(&self, token: &str, now: i64) -> Result<Arc<Verified>, InvalidToken> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let known = self
            .good
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        let verified = match known {
            Some(verified) => verified,
            None => {
                let verified = Arc::new(self.verify_anew(token, now)?);
                self.good
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .put(key, verified.clone());
                verified
            }
        };
        if verified.claims.are_current(now) {
            Ok(verified)
        } else {
            Err(InvalidToken::Expired)
        }
    }

    fn verify_anew(&self, token: &str, now: i64) -> Result<Verified, InvalidToken> {
        let jws = Jws::parse(token).ok_or(InvalidToken::Malformed)?;
        let key = self.trusted_keys.key(&jws.header, now).ok_or(InvalidToken::Untrusted)?;
        if !key.verify(&jws.header.alg, jws.signed.as_bytes(), &jws.signature) {
            return Err(InvalidToken::Signature);
        }
        let claims: Claims = serde_json::from_slice(&jws.payload).map_err(|_| InvalidToken::Malformed)?;
        if !claims.are_for(&self.issuer, &self.service) {
            return Err(InvalidToken::Elsewhere);
        }
        if !claims.are_current(now) {
            return Err(InvalidToken::Expired);
        }
        let account = (!claims.sub.is_empty()).then(|| claims.sub.as_str().into());
        Ok(Verified {
            account,
            grants: claims.grants().into(),
            claims,
        })
    }
}

#[cfg(test)]
#[path = "verifier_tests.rs"]
mod tests;
