//! The proxy: TLS in, HTTP/1.1 over a Unix socket out, blob bodies straight from their files.
//!
//! ```text
//! run
//!  ├─ downstream   connections of clients: server, tls, socket, transport, frames, head
//!  ├─ request      service calls, in this order: check, admission, certificate, docroot, body, forward (to the registry),
//!  │               answer (of the registry), hand_off or early_answer, failure, access_log
//!  ├─ upstream     the registry: connect, retry, ask (on the proxy's own behalf), resume (uploads)
//!  └─ blob         files as bodies: file_body, root_dir
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
