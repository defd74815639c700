//! Whether the storage works.

use std::io::ErrorKind;

use super::backend::Inner;
use super::disk::space;
use crate::storage::{Condition, Error, Result};

impl Inner {
    /// A disk that cannot be written is no reason to stop serving: pulls still work. A volume that is gone is one: this
    /// process's staging directory, which nothing makes again, is gone with it.
    pub(super) fn health(&self) -> Result<Condition> {
        let condition = self.condition()?;
        if condition != Condition::Writable {
            let blobs = self.layout.blobs();
            std::fs::read_dir(blobs).map_err(Error::io("list", blobs))?;
        }
        Ok(condition)
    }

    fn condition(&self) -> Result<Condition> {
        if self.durable.is_read_only() {
            return Ok(Condition::ReadOnly);
        }
        let probed = self.durable.probe();
        match probed.and_then(|()| space::check_free_space(self.layout.repositories())) {
            Ok(()) => Ok(Condition::Writable),
            Err(Error::Full { .. }) => Ok(Condition::Full),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::ReadOnlyFilesystem => Ok(Condition::ReadOnly),
            Err(error) => Err(error),
        }
    }
}
