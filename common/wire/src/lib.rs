//! What proxy and registry must read from a request in the same way, or say to each other.
//!
//! Pure, and for both `HeaderMap`s: actix-web's is that of an older `http` crate than Pingora's.

mod chain;
mod fields;
mod forwarded;
pub mod internal;
mod multipart;
mod origin;

pub use fields::ForwardedFields;
pub use multipart::{InvalidMultipart, Multipart};
pub use origin::{Origin, Peer, Scheme, authority};
