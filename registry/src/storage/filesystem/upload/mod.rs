//! Upload sessions: a directory each, and a thread that hashes and writes while one is appended to.
//!
//! ```text
//! store ─┬▶ record                              begin, status
//!        ├▶ open_upload ─▶ state_file ─▶ hash_state
//!        └▶ writer ─┬▶ upload_handle            append: the request's side
//!                   └▶ writer_thread            the thread's side
//! purge ─▶ open_upload, record                  what was abandoned
//! ```

mod command;
mod hash_state;
mod open_upload;
mod purge;
mod record;
mod state_file;
mod store;
mod upload_handle;
mod writer;
mod writer_thread;
