//! The proxy: TLS in, HTTP/1.1 over a Unix socket out, blob bodies straight from their files.
//!
//! ```text
//! run
//!  ├─ downstream   connections: server, tls, socket, transport, frames; head: is it a request, in time, unambiguous
//!  ├─ request      service: the phases; headers, body, settings, docroot, redirect, error_response, access_log
//!  ├─ upstream     connect: the registry, waiting for it; ask, retry; resume: going on with uploads
//!  └─ blob         file_body: bodies from their files; root_dir: opening beneath a directory alone
//! ```
//!
//! Absent on purpose: manifests, passwords, rights. The registry decides everything about HTTP. Pingora's `Server` is
//! absent too: it can neither drain by what is in flight, nor bound connections, nor say when it is ready.

mod blob;
mod downstream;
mod request;
mod run;
mod run_error;
mod upstream;

pub use run::{BlobRoot, Control, ProxyListener, QUIET_TARGETS, Reloaded, run};
pub use run_error::RunError;
