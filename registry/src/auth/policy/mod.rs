//! What somebody may do: scopes, and the rules that grant them.
//!
//! ```text
//! Principal, Scope ─▶ access_policy ─▶ acl ─▶ lockgate_config's patterns
//! ```

mod access_policy;
mod acl;
mod principal;
mod scope;

pub use access_policy::Explanation;
pub(in crate::auth) use access_policy::Policy;
pub use acl::InvalidRule;
pub(in crate::auth) use principal::is_granted;
pub use principal::{Decision, Principal};
pub use scope::{Actions, InvalidScope, Scope};
