//! Why a request is not let in: one thing for the client, another for the log.

use std::borrow::Cow;
use std::time::Duration;

use super::token::{InvalidTokenRequest, IssueError};

/// A request that is not let in. Holds no password, token or header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{log}")]
pub struct AuthError {
    /// What to answer.
    pub kind: AuthErrorKind,
    /// For the client: betrays neither accounts nor rules.
    pub message: Cow<'static, str>,
    /// For the log: who and why.
    pub log: Cow<'static, str>,
}

/// What to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthErrorKind {
    /// 401 with a challenge.
    Unauthorized {
        /// Whether a token was sent that is not valid (`error="invalid_token"`).
        invalid_token: bool,
    },
    /// 429 with Retry-After.
    Throttled {
        /// When to come back.
        retry_after: Duration,
    },
    /// 403.
    Forbidden,
    /// 400: a token request that cannot be understood.
    Malformed,
}

impl AuthError {
    pub(super) fn unauthorized(message: &'static str, log: impl Into<Cow<'static, str>>) -> Self {
        let kind = AuthErrorKind::Unauthorized { invalid_token: false };
        Self {
            kind,
            message: message.into(),
            log: log.into(),
        }
    }

    pub(super) fn invalid_token(log: impl Into<Cow<'static, str>>) -> Self {
        let kind = AuthErrorKind::Unauthorized { invalid_token: true };
        Self {
            kind,
            message: "the token is not valid, or not any more".into(),
            log: log.into(),
        }
    }

    pub(super) fn throttled(retry_after: Duration, log: impl Into<Cow<'static, str>>) -> Self {
        // Retry-After counts whole seconds (RFC 9110 section 10.2.3).
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let kind = AuthErrorKind::Throttled {
            retry_after: Duration::from_secs(seconds.max(1)),
        };
        let message = format!("too many failed logins; try again in {} s", seconds.max(1));
        Self {
            kind,
            message: message.into(),
            log: log.into(),
        }
    }

    pub(super) fn malformed(message: &'static str) -> Self {
        Self {
            kind: AuthErrorKind::Malformed,
            message: message.into(),
            log: message.into(),
        }
    }
}

impl From<InvalidTokenRequest> for AuthError {
    fn from(error: InvalidTokenRequest) -> Self {
        Self::malformed(error.text())
    }
}

impl From<IssueError> for AuthError {
    fn from(error: IssueError) -> Self {
        Self {
            kind: AuthErrorKind::Forbidden,
            message: "no token can be made".into(),
            log: error.to_string().into(),
        }
    }
}
