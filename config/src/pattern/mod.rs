//! Patterns of names, compiled: one implementation that is read in three ways.
//!
//! | way                | where                                            | `*`          | `**`         | `/regex/` |
//! |--------------------|--------------------------------------------------|--------------|--------------|-----------|
//! | [`RulePattern`]    | `auth.acl`, as in docker_auth                    | stops at `/` | is `*`       | yes       |
//! | [`PolicyPattern`]  | `auth.anonymous`                                 | stops at `/` | crosses `/`  | yes       |
//! | [`FilterPattern`]  | commands that choose repositories, as in Mosi    | crosses `/`  | crosses `/`  | no        |
//!
//! They are three types, so that none is taken for another: a rule that is read as a policy opens what it did not.
//! `docs/guide/patterns.md` has examples, each of which is a test.

mod error;
mod expressions;
mod filter;
mod glob;
mod go_regex;
mod policy;
mod rule;
mod variable;

pub use error::{GlobError, PatternError};
pub use expressions::Expressions;
pub use filter::FilterPattern;
pub use policy::PolicyPattern;
pub use rule::RulePattern;
pub use variable::quoted;

pub(crate) use error::compile;
