//! Removes uploads that were abandoned.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::open_upload::try_lock;
use super::record::started_at;
use crate::oci::RepositoryName;
use crate::storage::filesystem::backend::Inner;
use crate::storage::filesystem::disk::link;
use crate::storage::filesystem::locks::upload_lease::Lease;
use crate::storage::layout::UploadLayout;
use crate::storage::{PurgedUpload, Result, UploadId};

impl Inner {
    /// One that cannot be judged or removed does not keep the others.
    pub(crate) fn purge(&self, age: Duration, dry_run: bool) -> Result<Vec<PurgedUpload>> {
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
        let Some(_in_use) = self.take_idle(&upload, id) else {
            return Ok(None);
        };
        if !dry_run {
            self.durable.remove_tree(upload.directory())?;
        }
        Ok(Some(age))
    }

    /// Removes the upload unless it is in use; whether it is gone.
    pub(crate) fn remove_idle(&self, repository: &RepositoryName, id: &UploadId) -> Result<bool> {
        let upload = self.layout.repository(repository).upload(id);
        let Some(_in_use) = self.take_idle(&upload, id) else {
            return Ok(false);
        };
        self.durable.remove_tree(upload.directory())?;
        Ok(true)
    }

    /// Takes the upload, in this process and against others, when nobody uses it.
    fn take_idle(&self, upload: &UploadLayout, id: &UploadId) -> Option<(Lease, Option<File>)> {
        let lease = self.leases.try_take(id)?;
        let data = File::open(upload.data()).ok();
        let is_free = data.as_ref().is_none_or(|data| try_lock(data).unwrap_or(false));
        is_free.then_some((lease, data))
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
    let since = started_at(upload).or_else(changed)?;
    SystemTime::now().duration_since(since).ok()
}
