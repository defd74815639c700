//! Who somebody is, and what they may do.
//!
//! ```text
//! Authorization ─▶ credentials ─┬▶ password/                       who is it?
//!                               └▶ token/
//! Principal, Scope ─▶ access ─▶ policy/                            may they?
//! ```
//!
//! Absent on purpose: actix, and any password, token or header in what can be printed.

mod access;
mod challenge;
mod credentials;
mod error;
mod generations;
mod in_force;
mod password;
mod policy;
mod refusal;
mod token;

pub use access::{Access, explain};
pub use challenge::ChallengeError;
pub use error::AccessError;
pub use password::accounts;
pub use policy::{Actions, Decision, Explanation, InvalidRule, InvalidScope, Principal, Scope};
pub use refusal::{Refusal, RefusalKind};
pub use token::{
    KeyError, TokenRequest, TokenResponse, TrustError, check_external_tokens, check_token_key, ensure_token_key,
};
