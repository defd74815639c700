//! Who may do what.
//!
//! ```text
//! Authorization ─▶ credentials ─▶ verifier ─▶ throttle        who is it?
//!                                 └▶ account_file ─▶ htpasswd ─▶ password_hash
//! Principal, Scope ─▶ access                                  may they?
//! ```
//!
//! Absent on purpose: actix, and any password, token or header in what can be printed.

mod access;
mod account_file;
pub mod accounts;
mod apr1;
mod challenge;
mod credentials;
mod generations;
mod glob;
mod htpasswd;
mod password_hash;
mod pattern;
mod refusal;
mod scope;
mod throttle;
mod verifier;

pub use access::{Access, AccessError, Decision, Principal};
pub use challenge::ChallengeError;
pub use refusal::{Refusal, RefusalKind};
pub use scope::{Actions, InvalidScope, Scope};
