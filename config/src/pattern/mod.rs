//! Patterns of access rules.

mod check;
mod glob;
mod go_regex;

pub use check::check_pattern;
pub(crate) use check::regex;
pub use go_regex::from_go_regex;
