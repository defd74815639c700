//! Who sent a request, and what is decided about it.

use std::sync::Arc;

use super::scope::{Actions, Scope};

/// The sender of a request, as far as credentials say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub(in crate::auth) account: Option<Arc<str>>,
    /// What the token grants, when there is one.
    pub(in crate::auth) grants: Option<Arc<[Scope]>>,
}

impl Principal {
    /// A sender without credentials.
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
    /// The sender may do it.
    Granted,
    /// The account may not do it, whatever else it sends: 403.
    Denied,
    /// Other credentials may allow it: 401 with a challenge.
    NeedsLogin,
}

/// Whether `grants` hold all of `scope`'s actions.
pub(in crate::auth) fn is_granted(grants: &[Scope], scope: &Scope) -> bool {
    let same = |grant: &&Scope| grant.kind() == scope.kind() && grant.name() == scope.name();
    let granted = grants
        .iter()
        .filter(same)
        .fold(Actions::NONE, |all, grant| all | grant.actions());
    !scope.actions().is_empty() && granted.cover(scope.actions())
}
