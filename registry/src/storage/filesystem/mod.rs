//! The backend that keeps everything in files, in the layout of CNCF distribution ([`Layout`](crate::storage::Layout)).
//!
//! ```text
//! upload/                                                  sessions, and the thread that hashes and writes
//! blobs  manifests  tags  referrers  catalog  health       one file a concern
//! backend                                                  what all of them share
//! locks/                                                   who may write, who may serve
//! disk/                                                    the only changes that a reader sees; reading
//! ```
//!
//! Small reads (links, manifests) happen inline: they come from the page cache, and a hop to another thread costs more
//! than they do. Changes and listings run on tokio's blocking threads, `max_threads` at once.

mod backend;
mod blobs;
mod catalog;
mod disk;
mod health;
mod locks;
mod manifests;
mod referrers;
mod tags;
mod upload;

pub use backend::{FilesystemSettings, FilesystemStorage};
#[doc(hidden)]
pub use disk::failpoint;
pub use locks::root_lock::{InstanceId, RootLock, RootLockError};
