//! Whole configurations, from file and environment to typed sections or mistakes.

mod harness;
mod template;
