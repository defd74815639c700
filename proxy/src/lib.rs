//! The front door: TLS in, HTTP/1.1 over a Unix socket out, blob bodies straight from their files.
//!
//! ```text
//! run ── server ─┬─ tls
//!                ├─ connection                     what arrives: transport, socket, stall, frames
//!                ├─ head                           is it a request, in time and unambiguous
//!                ├─ redirect                       the plain entrance
//!                ├─ plain_http                     plain HTTP at the entrance for TLS
//!                └─ service ─┬─ headers            who asks
//!                            ├─ docroot            files beside the registry
//!                            ├─ body, ask          is it whole, is it wanted
//!                            ├─ upstream, resume   the registry, waiting for it, going on with uploads
//!                            ├─ handoff, beneath   blobs from their files
//!                            ├─ failure, error_page
//!                            └─ access_log
//! ```
//!
//! Absent on purpose: manifests, passwords, rights. The registry decides everything about HTTP. Pingora's `Server` is
//! absent too: it can neither drain by what is in flight, nor bound connections, nor say when it is ready.

mod access_log;
mod ask;
mod beneath;
mod body;
mod buffers;
mod connection;
mod docroot;
mod ending;
mod error_page;
mod failure;
mod frames;
mod handoff;
mod head;
mod headers;
mod limits;
mod plain_http;
mod redirect;
mod resume;
mod run;
mod run_error;
mod server;
mod service;
mod settings;
mod socket;
mod stall;
mod tls;
mod transport;
mod upstream;

pub use run::{Control, Entrance, QUIET_TARGETS, Reloaded, run};
pub use run_error::RunError;
