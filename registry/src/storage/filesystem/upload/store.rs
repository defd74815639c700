//! The operations on upload sessions.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::open_upload::{open_data, open_upload, wait_for_other_process};
use super::record::{create_upload, started_at};
use super::writer;
use crate::oci::{Algorithm, RepositoryName};
use crate::storage::filesystem::backend::{FilesystemStorage, Inner};
use crate::storage::filesystem::disk::{link, space};
use crate::storage::filesystem::locks::upload_lease::Lease;
use crate::storage::{Error, PurgedUpload, Result, UploadId, UploadStatus, UploadStore, UploadWriter};

#[async_trait]
impl UploadStore for FilesystemStorage {
    async fn begin_upload(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId> {
        let repository = repository.clone();
        self.run(move |inner| inner.begin_upload(&repository, algorithm)).await
    }

    async fn upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<UploadStatus> {
        self.inner.leases.settled(id).await;
        if !self.inner.leases.is_taken(id) {
            let upload = self.inner.layout.repository(repository).upload(id);
            self.run(move |_| wait_for_other_process(&upload)).await?;
        }
        self.inner.upload_status(repository, id)
    }

    async fn append(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        at: Option<u64>,
    ) -> Result<Box<dyn UploadWriter>> {
        let lease = self.take_upload(id).await?;
        let upload = self.inner.layout.repository(repository).upload(id);
        let (open_id, repository) = (id.clone(), repository.clone());
        let opened = self.run(move |_| open_upload(upload, &open_id, at)).await?;
        writer::spawn(Arc::clone(&self.inner), repository, opened, lease)
    }

    async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<()> {
        let lease = self.take_upload(id).await?;
        let upload = self.inner.layout.repository(repository).upload(id);
        let id = id.clone();
        self.run(move |inner| {
            let _lease = lease;
            let _lock = open_data(&upload, &id)?;
            inner.durable.remove_tree(upload.directory())?;
            Ok(())
        })
        .await
    }

    async fn discard_idle_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<bool> {
        let (repository, id) = (repository.clone(), id.clone());
        self.run(move |inner| inner.remove_idle(&repository, &id)).await
    }

    async fn purge_uploads(&self, age: Duration, dry_run: bool) -> Result<Vec<PurgedUpload>> {
        self.run(move |inner| inner.purge(age, dry_run)).await
    }
}

impl FilesystemStorage {
    async fn take_upload(&self, id: &UploadId) -> Result<Lease> {
        let lease = self.inner.leases.take(id).await;
        lease.ok_or_else(|| Error::UploadBusy(id.clone()))
    }
}

impl Inner {
    fn begin_upload(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId> {
        space::check_free_space(self.layout.repositories())?;
        let layout = self.layout.repository(repository);
        // Durable, since links will be put beside it; what belongs to the upload is not promised to survive power loss.
        self.durable.create_dirs(&layout.uploads())?;
        let id = UploadId::random();
        let upload = layout.upload(&id);
        create_upload(&upload, algorithm).inspect_err(|_| drop(fs::remove_dir_all(upload.directory())))?;
        Ok(id)
    }

    fn upload_status(&self, repository: &RepositoryName, id: &UploadId) -> Result<UploadStatus> {
        let upload = self.layout.repository(repository).upload(id);
        let data = upload.data();
        let offset = match fs::metadata(&data) {
            Ok(metadata) => metadata.len(),
            // distribution takes an upload without data for one that stands at 0.
            Err(error) if link::is_absence(&error) && upload.directory().is_dir() => 0,
            Err(error) if link::is_absence(&error) => return Err(Error::UploadUnknown(id.clone())),
            Err(error) => return Err(Error::io("look at", &data)(error)),
        };
        Ok(UploadStatus {
            offset,
            started_at: started_at(&upload),
        })
    }
}
