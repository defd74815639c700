//! What is wrong with a configuration, collected while it is read.

mod collected;
mod diagnostic;

pub(crate) use collected::Diagnostics;
pub use diagnostic::{Diagnostic, LoadError};
