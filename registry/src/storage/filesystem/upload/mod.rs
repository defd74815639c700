//! Upload sessions: a directory each, and a thread that hashes and writes while one is appended to.
//!
//! ```text
//! store ─┬▶ record                              begin, status
//!        ├▶ open_upload ─▶ state_file ─▶ hash_state
//!        └▶ writer/                             append
//! purge ─▶ open_upload, record                  what was abandoned
//! ```

mod hash_state;
mod open_upload;
mod purge;
mod record;
mod state_file;
mod store;
mod writer;
