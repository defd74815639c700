//! Removes uploads that were abandoned.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::{Inner, link, uploads};
use crate::oci::RepositoryName;
use crate::storage::layout::UploadLayout;
use crate::storage::{PurgedUpload, Result, UploadId};

impl Inner {
    /// One that cannot be judged or removed does not keep the others.
    pub(super) fn purge(&self, age: Duration, dry_run: bool) -> Result<Vec<PurgedUpload>> {
        let mut purged = Vec::new();
        for repository in self.names("") {
            let repository = repository?;
            for name in link::list(&self.layout.repository(&repository).uploads())? {
                let Ok(id) = name.parse::<UploadId>() else { continue };
                match self.purge_one(&repository, &id, age, dry_run) {
                    Ok(Some(age)) => purged.push(PurgedUpload {
                        repository: repository.clone(),
                        id,
                        age,
                    }),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, %repository, upload = %id, "abandoned upload not removed"),
                }
            }
        }
        Ok(purged)
    }

    /// The age of the upload, if it was old enough and not in use.
    fn purge_one(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        limit: Duration,
        dry_run: bool,
    ) -> Result<Option<Duration>> {
        let upload = self.layout.repository(repository).upload(id);
        let Some(age) = age(&upload).filter(|age| *age > limit) else {
            return Ok(None);
        };
        let Some(_lease) = self.leases.try_take(id) else {
            return Ok(None);
        };
        let data = File::open(upload.data()).ok();
        if data.as_ref().is_some_and(|data| !uploads::lock(data).unwrap_or(false)) {
            return Ok(None);
        }
        if !dry_run {
            self.durable.remove_tree(upload.directory())?;
        }
        Ok(Some(age))
    }
}

/// Since it began; where that is not recorded, since something last changed in it.
fn age(upload: &UploadLayout) -> Option<Duration> {
    let changed = || {
        [upload.directory(), &upload.data()]
            .into_iter()
            .filter_map(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
            .max()
    };
    let since = uploads::started_at(upload).or_else(changed)?;
    SystemTime::now().duration_since(since).ok()
}
