//! Whole configurations, from file and environment to typed sections or mistakes.

mod conflicting_keys;
mod distribution;
mod environment;
mod extensions;
mod harness;
mod mistakes;
mod patterns;
mod precedence;
mod secrets;
mod template;
mod unsupported_keys;
