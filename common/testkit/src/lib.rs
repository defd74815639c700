//! What the tests of several packages share: the rule for programs and rights that are not here, and certificates.
//!
//! A development dependency only; it imports none of the other packages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

pub mod certificates;
mod skip;

pub use skip::{missing, on_path, require, require_root, say, skip};
