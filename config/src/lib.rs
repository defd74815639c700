//! Configuration: what the user wrote (`raw`), and what the program uses (the typed sections).
//!
//! ```text
//! config.yml ─┐
//!             ├─▶ raw (a mirror of the file) ──▶ Config (typed) + warnings
//! REGISTRY_* ─┘                             └──▶ or every mistake at once
//! ```
//!
//! The format is a superset of CNCF distribution's `config.yml`, version 0.1. `raw/keys.rs` is the table of every
//! key: which are read, which are ignored with a warning, which are refused.

pub mod duration;
mod findings;
mod glob;
mod go_regex;
mod home;
mod load;
mod mistake;
mod named;
mod pattern;
mod raw;
mod section;
mod size;
mod template;
pub mod text;
mod typed;
mod yaml;

pub use go_regex::from_go_regex;
pub use home::Home;
pub use mistake::{LoadError, Mistake};
pub use named::{Named, Purpose, Reader};
pub use pattern::check_pattern;
pub use raw::GaveWay;
pub use template::template;
pub use typed::*;
pub use yaml::read_yaml;
