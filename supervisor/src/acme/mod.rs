//! Certificates by ACME (RFC 8555), `http.tls.letsencrypt`: what `lockgate acme` does, a child that the supervisor starts
//! when a certificate is due, and that ends when it has one or knows why not.
//!
//! ```text
//! run ── order ─┬─ account          who orders
//!               ├─ challenge        how a name is proven: the files are lockgate_certs::challenge's
//!               └─ http ── roots    whose certificates an ACME server may have
//! store, attempt                    what is kept: account, certificate, what was tried last
//! schedule                          when to order: pure
//! leaf                              copies it to where the proxy reads it
//! ```
//!
//! The supervisor reads `store` and decides; it never waits for a network. The child orders; it decides nothing.

mod account;
mod attempt;
mod challenge;
mod error_chain;
mod http;
mod leaf;
mod order;
mod roots;
mod run;
mod schedule;
mod store;

pub(crate) use attempt::Attempt;
pub(crate) use leaf::{ServedLeaf, ensure as ensure_leaf};
pub(crate) use run::{ORDER_TIMEOUT, run};
pub(crate) use schedule::next_order;
pub(crate) use store::AcmeStore;
