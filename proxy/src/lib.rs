//! The front door: TLS in, HTTP/1.1 over a Unix socket out, blob bodies straight from their files.
//!
//! Absent on purpose: manifests, passwords, rights. The registry decides everything about HTTP.

mod run;

pub use run::{Control, Entrance, RunError, run};
