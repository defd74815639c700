//! The rules of the registry: what may be stored, listed, mounted and removed. Speaks in values and storage, never HTTP.
//!
//! ```text
//! blobs      read, delete, mount        manifests   put, get, delete       references   what a manifest needs
//! uploads    begin, append, finish      tags        list                   referrers    what names a subject
//!                                       catalog     list
//! ```
//!
//! Who may do what is decided by the caller; where a rule depends on it (mounting, the catalog) it is asked back.

mod active_uploads;
mod blobs;
mod catalog;
mod error;
mod manifests;
mod references;
mod referrers;
mod registry;
mod settings;
mod tags;
#[cfg(test)]
mod testing;
mod uploads;

pub(crate) use error::Error;
pub(crate) use registry::Registry;
pub(crate) use settings::ServiceSettings;
pub(crate) use uploads::Chunk;
