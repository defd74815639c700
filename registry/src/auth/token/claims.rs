//! The claims of distribution's token specification ("jwt.md").

use serde::{Deserialize, Serialize};

use crate::auth::policy::{Actions, Scope};

/// For clocks that differ, as in distribution (RFC 7519 section 4.1.4).
const LEEWAY: i64 = 60;
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::auth) struct Claims {
    pub(in crate::auth) iss: String,
    /// The account; empty = not logged in.
    #[serde(default)]
    pub(in crate::auth) sub: String,
    pub(in crate::auth) aud: Audience,
    /// Seconds since 1970, as all times here.
    #[serde(default)]
    pub(in crate::auth) exp: i64,
    #[serde(default)]
    pub(in crate::auth) nbf: i64,
    #[serde(default)]
    pub(in crate::auth) iat: i64,
    #[serde(default)]
    pub(in crate::auth) jti: String,
    #[serde(default)]
    pub(in crate::auth) access: Option<Vec<ResourceActions>>,
    /// Own tokens: the fingerprint of the account's password hash at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::auth) credential: Option<String>,
}

/// One text or several (RFC 7519 section 4.1.3).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::auth) enum Audience {
    One(String),
    Several(Vec<String>),
}

/// One resource and what may be done to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::auth) struct ResourceActions {
    r#type: String,
    name: String,
    #[serde(default)]
    actions: Option<Vec<String>>,
}

impl ResourceActions {
    pub(in crate::auth) fn of(scope: &Scope) -> Self {
        let actions = scope.actions().names().map(str::to_owned).collect();
        Self {
            r#type: scope.kind().to_owned(),
            name: scope.name().to_owned(),
            actions: Some(actions),
        }
    }
}

impl Claims {
    /// Whether the token is `issuer`'s, for `service`.
    pub(super) fn are_for(&self, issuer: &str, service: &str) -> bool {
        let audience = match &self.aud {
            Audience::One(name) => name == service,
            Audience::Several(names) => names.iter().any(|name| name == service),
        };
        self.iss == issuer && audience
    }

    /// Whether the token is in force at `now`.
    pub(super) fn are_current(&self, now: i64) -> bool {
        now <= self.exp.saturating_add(LEEWAY) && now >= self.nbf.saturating_sub(LEEWAY)
    }

    /// What is granted. Actions without a meaning here are left out.
    pub(super) fn grants(&self) -> Vec<Scope> {
        let access = self.access.iter().flatten();
        let actions = |access: &ResourceActions| {
            let names = access.actions.iter().flatten();
            names
                .filter_map(|name| Actions::named(name))
                .fold(Actions::NONE, |all, one| all | one)
        };
        access
            .map(|access| Scope::new(&access.r#type, &access.name, actions(access)))
            .collect()
    }
}
