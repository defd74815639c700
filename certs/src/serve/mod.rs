//! What a TLS server shows: certificates that follow their files, and answers to an ACME server's challenges.

pub mod challenge;
pub mod resolver;
pub mod server;
