//! Whether the storage works.

use super::Inner;
use crate::storage::{Error, Result};

impl Inner {
    /// A full disk is no reason to stop serving: pulls and deletes still work.
    pub(super) fn check(&self) -> Result<()> {
        match self.durable.probe() {
            Err(Error::Full { .. }) => std::fs::read_dir(self.layout.blobs())
                .map(drop)
                .map_err(Error::io("list", self.layout.blobs())),
            other => other,
        }
    }
}
