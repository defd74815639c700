//! The private protocol of the registry and its own proxy, and what both must read from a request in the same way.
//!
//! ```text
//! client ──▶ proxy ── X-Forwarded-*, headers::CHECK ──▶ registry      origin: who asks, under which URL
//!            proxy ◀── headers::{BLOB, OFFSET, USER} ── registry      handoff: which file is the body
//! ```
//!
//! Pure, and for both `HeaderMap`s: actix-web's is that of an older `http` crate than Pingora's.

mod fields;
mod handoff;
pub mod headers;
mod keep_alive;
mod multipart;
mod origin;
mod probe;
mod rfc7239;
mod token;
mod x_forwarded_for;

pub use fields::ForwardedFields;
pub use handoff::{Handoff, HandoffContent, InvalidHandoff};
pub use keep_alive::{PROXY_KEEP_ALIVE, REGISTRY_KEEP_ALIVE};
pub use multipart::{InvalidMultipart, Multipart};
pub use origin::{Origin, Peer, Scheme, authority};
pub use probe::{HEALTH_PATH, READY_PATH, is_probe};
pub use token::is_token;
