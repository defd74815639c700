//! Certificates against the real `openssl` and real TLS handshakes.

#![allow(clippy::unwrap_used)] // helpers of tests are not test functions to clippy

mod bundle;
mod describe;
mod handshake;
mod harness;
mod issue;
mod load;
mod openssl;
mod reload;
mod renew;
