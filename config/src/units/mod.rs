//! Texts that stand for a quantity.

pub mod duration;
pub(crate) mod size;
