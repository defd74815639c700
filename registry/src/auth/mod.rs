//! Who may do what.
//!
//! ```text
//! Authorization ─▶ credentials ─┬▶ verifier ─▶ throttle            who is it?
//!                               │   └▶ account_file ─▶ htpasswd ─▶ password_hash
//!                               └▶ token
//! Principal, Scope ─▶ access ─▶ policy ─▶ acl ─▶ pattern, glob     may they?
//! htpasswd file ◀─ accounts                                        the administrator's side
//! ```
//!
//! Absent on purpose: actix, and any password, token or header in what can be printed.

mod access;
mod account_file;
pub mod accounts;
mod acl;
mod apr1;
mod challenge;
mod credentials;
mod error;
mod generations;
mod glob;
mod htpasswd;
mod in_force;
mod password_hash;
mod pattern;
mod policy;
mod principal;
mod refusal;
mod scope;
mod throttle;
mod token;
mod verifier;

pub use access::{Access, explain};
pub use acl::InvalidRule;
pub use challenge::ChallengeError;
pub use error::AccessError;
pub use policy::Explanation;
pub use principal::{Decision, Principal};
pub use refusal::{Refusal, RefusalKind};
pub use scope::{Actions, InvalidScope, Scope};
pub use token::{
    KeyError, TokenRequest, TokenResponse, TrustError, check_external_tokens, check_token_key, ensure_token_key,
};
