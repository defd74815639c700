//! Whole configurations, from file and environment to typed sections or mistakes.

mod contradictions;
mod distribution;
mod environment;
mod extensions;
mod harness;
mod mistakes;
mod precedence;
mod refused;
mod secrets;
mod template;
