//! Configuration: what the user wrote (`raw`), and what the program uses (the typed sections).
//!
//! ```text
//! config.yml ─┐
//!             ├─▶ raw (a mirror of the file) ──▶ Config (typed) + warnings
//! REGISTRY_* ─┘                             └──▶ or every mistake at once
//! ```
//!
//! The format is a superset of CNCF distribution's `config.yml`, version 0.1. `raw/table` is the table of every
//! key: which are read, which are ignored with a warning, which are refused.

mod diagnostics;
mod home;
mod load;
mod pattern;
mod raw;
mod typed;
mod units;

pub use diagnostics::{Diagnostic, LoadError};
pub use home::{Home, template};
pub use pattern::{Expressions, FilterPattern, GlobError, PatternError, PolicyPattern, RulePattern, quoted};
pub use raw::{OverriddenKey, read_yaml, text};
pub use typed::*;
pub use units::duration;
