//! Stage one: a mirror of what the user wrote, in file and environment. Touches nothing, decides nothing but which
//! keys exist.

mod check;
mod environment;
mod nearest;
mod node;
mod parse;
mod precedence;
mod syntax_error;
mod table;
pub mod text;
mod yaml;

pub(crate) use check::{check, without_userinfo};
pub(crate) use environment::override_from;
pub(crate) use nearest::nearest;
pub(crate) use node::{Content, Node, join};
pub(crate) use parse::parse;
pub use precedence::OverriddenKey;
pub(crate) use precedence::remove_overridden;
pub(crate) use table::{Key, ROOT, Shape};
pub use yaml::read_yaml;
