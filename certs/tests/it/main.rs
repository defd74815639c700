//! Certificates against the real `openssl` and real TLS handshakes.

mod handshake;
mod harness;
mod issue;
mod load;
mod openssl;
mod reload;
mod renew;
mod words;
