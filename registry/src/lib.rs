//! The OCI registry: plain HTTP in, files out.
//!
//! ```text
//! http/route  ─▶ http/handlers ─▶ auth ─▶ service ─▶ storage ─▶ files
//! (pure)          (actix)                 (rules)    (traits, filesystem)
//!                        oci: the pure values that all of them speak
//! ```
//!
//! Absent on purpose: TLS, passwords in any log, a database.

pub mod maintenance;
pub mod oci;
mod run;
pub mod storage;

pub use run::{Control, Front, Listener, RunError, run};
