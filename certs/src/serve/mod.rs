//! What a TLS server shows: certificates that follow their files, and answers to an ACME server's challenges.

pub mod acme;
pub mod reload;
pub mod server;
mod stamp;

pub use stamp::Stamp;
