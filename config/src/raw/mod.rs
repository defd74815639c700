//! Stage one: a mirror of what the user wrote, in file and environment. Touches nothing, decides nothing but which
//! keys exist.

mod check;
mod environment;
mod fault;
mod keys;
mod nearest;
mod node;
mod parse;
mod precedence;
mod table;

pub(crate) use check::{check, without_userinfo};
pub(crate) use environment::override_from;
pub(crate) use keys::{Key, Shape};
pub(crate) use nearest::nearest;
pub(crate) use node::{Content, Node, join};
pub(crate) use parse::{parse, value};
pub use precedence::GaveWay;
pub(crate) use precedence::give_way;
pub(crate) use table::ROOT;
