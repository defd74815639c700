//! Why a request is not let in. The client is told less than the log.

use std::borrow::Cow;
use std::time::Duration;

use super::token::{InvalidTokenRequest, IssueError};

/// A request that is not let in. Holds no password, token or header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{log}")]
pub struct AuthError {
    /// Which answer it is.
    pub kind: AuthErrorKind,
    /// For the client: betrays neither accounts nor rules.
    pub message: Cow<'static, str>,
    /// For the log: who and why.
    pub log: Cow<'static, str>,
}

/// Which answer a request gets that is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthErrorKind {
    /// The credentials are missing or wrong: 401 with a challenge.
    Unauthorized {
        /// Whether a token was sent that is not valid (`error="invalid_token"`).
        invalid_token: bool,
    },
    /// The client tries too often, or too many try at once: 429 with Retry-After.
    Throttled {
        /// How long to wait, in whole seconds.
        retry_after: Duration,
    },
    /// The registry cannot serve the account: 403.
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

    /// Too many failed logins.
    pub(super) fn throttled(pause: Duration) -> Self {
        Self::retry_later("too many failed logins", pause)
    }

    /// More logins than there are threads to verify passwords on, none of them wrong so far.
    pub(super) fn busy() -> Self {
        Self::retry_later("too many logins at once", Duration::from_secs(1))
    }

    fn retry_later(why: &'static str, pause: Duration) -> Self {
        // Retry-After counts whole seconds (RFC 9110 section 10.2.3).
        let seconds = (pause.as_secs() + u64::from(pause.subsec_nanos() > 0)).max(1);
        Self {
            kind: AuthErrorKind::Throttled {
                retry_after: Duration::from_secs(seconds),
            },
            message: format!("{why}; try again in {seconds} s").into(),
            log: why.into(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token::TokenRequest;

    #[test]
    fn who_meets_a_busy_registry_is_not_told_of_failed_logins() {
        let busy = AuthError::busy();
        assert_eq!(busy.message, "too many logins at once; try again in 1 s");
        assert_eq!(
            busy.kind,
            AuthErrorKind::Throttled {
                retry_after: Duration::from_secs(1)
            }
        );
        let throttled = AuthError::throttled(Duration::from_millis(1500));
        assert_eq!(throttled.message, "too many failed logins; try again in 2 s");
    }

    #[test]
    fn a_token_request_that_cannot_be_understood_is_malformed() {
        for form in [
            "",
            "grant_type=password",
            "grant_type=password&username=a",
            "grant_type=refresh_token&refresh_token=x",
            "username=a&password=b",
        ] {
            let error = TokenRequest::from_post("", form.as_bytes(), false).unwrap_err();
            assert_eq!(AuthError::from(error).kind, AuthErrorKind::Malformed, "{form}");
        }
    }
}
