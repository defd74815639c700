//! Who somebody is, and what they may do.
//!
//! ```text
//! Authorization ─▶ credentials ─┬▶ password/                       who is it?
//!                               └▶ token/
//! Principal, Scope ─▶ access_controller ─▶ policy/                 may they?
//! ```
//!
//! Absent on purpose: actix, and any password, token or header in what can be printed.

mod access_controller;
mod active_policy;
mod challenge;
mod config_error;
mod credentials;
mod error;
mod password;
mod policy;
mod token;

pub use access_controller::{AccessController, explain};
pub use challenge::ChallengeError;
pub use config_error::AuthConfigError;
pub use error::{AuthError, AuthErrorKind};
pub use password::accounts;
pub use policy::{Actions, Decision, Explanation, InvalidRule, InvalidScope, Principal, Scope};
pub use token::{
    InvalidTokenRequest, KeyError, TokenRequest, TokenResponse, TrustedKeysError, check_external_tokens,
    check_token_key, ensure_token_key,
};
