//! Passwords: the htpasswd file, its hashes, and how often somebody may guess.
//!
//! ```text
//! verifier ─▶ throttle                                      a login
//!    └▶ account_file ─▶ htpasswd_parser ─▶ password_hash ─▶ apr1
//! accounts ─▶ htpasswd_text, account_name                    the administrator's side
//! ```

mod account_file;
mod account_name;
pub mod accounts;
mod apr1;
mod htpasswd_parser;
mod htpasswd_text;
mod password_hash;
mod throttle;
mod verifier;

pub(in crate::auth) use account_file::AccountFile;
pub(in crate::auth) use htpasswd_parser::Account;
pub(in crate::auth) use password_hash::has_control;
pub(in crate::auth) use verifier::{LoginError, Verifier};
