//! Whether the storage works.

use super::Inner;
use crate::storage::{Error, Result};

impl Inner {
    /// A full disk is no reason to stop serving: pulls and deletes still work. A volume that is gone is one: this
    /// process's staging directory, which nothing makes again, is gone with it.
    pub(super) fn check(&self) -> Result<()> {
        if !self.durable.is_read_only() {
            match self.durable.probe() {
                Err(Error::Full { .. }) => {}
                probed => return probed,
            }
        }
        let blobs = self.layout.blobs();
        std::fs::read_dir(blobs).map(drop).map_err(Error::io("list", blobs))
    }
}
