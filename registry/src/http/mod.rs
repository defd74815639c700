//! HTTP, as actix-web speaks it: the only folder that knows the framework.
//!
//! ```text
//! connection (what can be read) ─▶ server (actix) ─▶ serve
//! serve ─▶ forwarded (who, under which URL) ─▶ auth ─▶ route ─▶ needs (which right) ─▶ handlers ─▶ service
//!   └────────────────────────── error_map (from what went wrong to status and code) ◀──────┘
//! ```

pub(crate) mod app;
mod blob_answer;
mod body;
mod byteranges;
mod call;
mod code;
mod conditional;
mod connection;
pub(crate) mod debug;
mod early;
mod error;
mod error_map;
mod forwarded;
mod handlers;
pub(crate) mod health;
mod in_flight;
pub(crate) mod metrics;
mod needs;
mod route;
mod serve;
pub(crate) mod server;
