//! What is wrong with a configuration, collected while it is read.

mod findings;
mod mistake;

pub(crate) use findings::Findings;
pub use mistake::{LoadError, Mistake};
