//! Upload sessions: a directory each, and a thread that hashes and writes while one is appended to.

mod hash_state;
mod purge;
mod uploads;
mod writer;
