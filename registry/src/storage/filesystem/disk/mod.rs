//! What is done to files: changes that survive power loss, and reading.
//!
//! ```text
//! durable ─ staging ─ crash_recovery ─ files ─ failpoint   the only changes that a reader sees
//! reader                                                   page cache inline, disk on a thread
//! link   space                                             digests in files; whether there is room for more
//! ```

pub(crate) mod crash_recovery;
pub(crate) mod durable;
#[doc(hidden)]
pub mod failpoint;
pub(crate) mod files;
pub(crate) mod link;
pub(crate) mod reader;
pub(crate) mod space;
pub(crate) mod staging;
