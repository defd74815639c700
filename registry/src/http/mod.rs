//! HTTP, as actix-web speaks it: the only folder that knows the framework.
//!
//! ```text
//! connection (what can be read) ─▶ server (actix) ─▶ serve
//! serve ─▶ forwarded (who, under which URL) ─▶ auth ─▶ route ─▶ needs (which right) ─▶ handlers ─▶ service
//!   └────────────────────────── error_map (from what went wrong to status and code) ◀──────┘
//! ```

mod admission;
mod before_login;
mod connection;
pub(crate) mod context;
pub(crate) mod debug;
mod error;
mod handlers;
mod method;
mod request_body;
mod required_scope;
mod response;
mod route;
mod serve;
pub(crate) mod server;
