//! Configuration: what the user wrote (`raw`), and what the program uses (the typed sections).
//!
//! ```text
//! config.yml ─┐
//!             ├─▶ raw (a mirror of the file) ──▶ Config (typed) + warnings
//! REGISTRY_* ─┘                             └──▶ or every mistake at once
//! ```
//!
//! The format is a superset of CNCF distribution's `config.yml`, version 0.1.

mod home;
mod load;
mod mistake;
mod typed;

pub use home::Home;
pub use mistake::{LoadError, Mistake};
pub use typed::*;
