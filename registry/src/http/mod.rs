//! HTTP, as actix-web speaks it: the only folder that knows the framework.
//!
//! ```text
//! connection/ (is the head sound?) ─▶ server (actix) ─▶ serve
//! serve ─▶ admission ─▶ before_login ─▶ auth ─▶ route ─▶ required_scope ─▶ handlers/ ─▶ service
//!
//! context/      what all requests share: settings, storage health, counters; and what is known of one
//! response/     headers and bodies that several handlers answer with
//! error/        from what went wrong to status, code and message
//! ```

mod admission;
mod before_login;
mod connection;
pub(crate) mod context;
pub(crate) mod debug;
mod error;
mod handlers;
mod method;
mod response;
mod routing;
mod serve;
pub(crate) mod server;
