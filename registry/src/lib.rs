//! The OCI registry: plain HTTP in, files out.
//!
//! ```text
//! http/route  ─▶ http/handlers ─▶ auth ─▶ service ─▶ storage ─▶ files
//! (pure)          (actix)                 (rules)    (traits, filesystem)
//!                        oci: the pure values that all of them speak
//! ```
//!
//! Absent on purpose: TLS, passwords in any log, a database.

pub mod auth;
mod control;
mod http;
pub mod maintenance;
pub mod oci;
mod run;
mod service;
pub mod storage;
mod unreadable;

pub use auth::accounts;
pub use control::{ConfirmedLog, Control, Frontend, Listener, ReloadCallback};
pub use run::{RunError, run};
