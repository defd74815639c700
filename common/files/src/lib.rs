//! Rules about files, each in one place: whoever writes, makes, locks or watches a file does it through these.
//!
//! | module    | holds                                                                          |
//! |-----------|--------------------------------------------------------------------------------|
//! | `write`   | replacing a file as a whole: durable, with its mode and owner from the start   |
//! | `create`  | new files and directories with exactly a mode, and syncing a directory         |
//! | `owner`   | [`UidGid`], and setting owner and mode without following a link                |
//! | [`flock`] | advisory locks between processes                                               |
//! | `stamp`   | whether a file has changed, without reading it                                 |
//! | `cached`  | reading what is in the page cache, and buffers to read into                    |
//!
//! The registry's storage (`registry/src/storage/filesystem/disk/durable.rs`) shares `create` and `flock`, but not `write`. It
//! stages in a directory of its own process, which is how the next process knows that this one died; it syncs
//! directories that another thread made; it waits for what an earlier process renamed; and between any two of these
//! steps its tests inject a fault.
//!
//! A leaf: it imports nothing of Lockgate, and knows neither configuration nor runtime.

#[expect(clippy::disallowed_methods, reason = "this is where they may be called")]
mod cached;
mod create;
#[expect(clippy::disallowed_methods, reason = "this is where they may be called")]
pub mod flock;
mod owner;
mod stamp;
mod write;

pub use cached::{BufferPool, Cached, PooledBuffer, read_cached};
pub use create::{Modes, create_file, directory_of, make_directories, make_directory, sync_directory};
pub use owner::{UidGid, set_owner_and_mode};
pub use stamp::{FileId, Stamp};
pub use write::{Existing, Staged, WriteError, rewrite, stage_private, write_private, write_private_for, write_public};
