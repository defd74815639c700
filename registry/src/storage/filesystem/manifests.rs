//! Manifests: blobs with a link in `_manifests/revisions`.

use std::fs;

use async_trait::async_trait;
use bytes::Bytes;

use super::backend::{FilesystemStorage, Inner};
use super::disk::link;
use crate::oci::{Digest, RepositoryName, Tag};
use crate::storage::{Error, ManifestStore, Result};

#[async_trait]
impl ManifestStore for FilesystemStorage {
    async fn manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<Bytes> {
        self.inner.manifest(repository, digest)
    }

    async fn has_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        self.inner.has_manifest(repository, digest)
    }

    async fn put_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        content: Bytes,
        subject: Option<&Digest>,
        tags: &[Tag],
    ) -> Result<()> {
        let (repository, digest, subject, tags) = (repository.clone(), digest.clone(), subject.cloned(), tags.to_vec());
        self.run(move |inner| inner.put_manifest(&repository, &digest, &content, subject.as_ref(), &tags))
            .await
    }

    async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        subject: Option<&Digest>,
    ) -> Result<()> {
        let (repository, digest, subject) = (repository.clone(), digest.clone(), subject.cloned());
        self.run(move |inner| inner.delete_manifest(&repository, &digest, subject.as_ref()))
            .await
    }
}

impl Inner {
    pub(super) fn has_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        match link::read_link(&self.layout.repository(repository).revision_link(digest))? {
            Some(target) => Ok(self.content_size(&target)?.is_some()),
            None => Ok(false),
        }
    }

    fn manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<Bytes> {
        let unknown = || Error::ManifestUnknown(digest.clone());
        let target = link::read_link(&self.layout.repository(repository).revision_link(digest))?.ok_or_else(unknown)?;
        let path = self.layout.blob_data(&target);
        let content = match fs::read(&path) {
            Ok(content) if !content.is_empty() => content,
            Ok(_) => return Err(unknown()),
            Err(error) if link::is_absence(&error) => return Err(unknown()),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let actual = Digest::of(target.algorithm(), &content);
        if actual != target {
            return Err(Error::Corrupt {
                path,
                what: format!("its content has digest {actual}; push it again"),
            });
        }
        Ok(content.into())
    }

    fn put_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        content: &[u8],
        subject: Option<&Digest>,
        tags: &[Tag],
    ) -> Result<()> {
        self.put_content(digest, content)?;

        let layout = self.layout.repository(repository);
        let link = digest.to_string();
        // distribution's garbage collectors know a repository by its `_layers` (2.8), or fail without it (3.1); an index
        // of manifests that are elsewhere brings none.
        self.durable.create_dirs(&layout.layers())?;
        let manifests = layout.manifests();
        self.durable.create_dirs(&manifests)?;
        let _adding = self.locks.lock_for_adding(&manifests)?;
        self.durable.put(&layout.revision_link(digest), link.as_bytes())?;
        if let Some(subject) = subject {
            self.durable
                .put(&layout.referrer_link(subject, digest), link.as_bytes())?;
        }
        for tag in tags {
            self.durable.put(&layout.tag_index(tag, digest), link.as_bytes())?;
            self.durable.put(&layout.tag_current(tag), link.as_bytes())?;
        }
        Ok(())
    }

    /// Nothing points to the revision any more when it goes. Its directory stays, as in distribution.
    fn delete_manifest(&self, repository: &RepositoryName, digest: &Digest, subject: Option<&Digest>) -> Result<()> {
        let layout = self.layout.repository(repository);
        let Some(_removing) = self.locks.lock_for_removing(&layout.manifests())? else {
            return Err(Error::ManifestUnknown(digest.clone()));
        };
        if link::read_link(&layout.revision_link(digest))?.is_none() {
            return Err(Error::ManifestUnknown(digest.clone()));
        }
        for tag in self.all_tags(repository)? {
            if link::read_link(&layout.tag_current(&tag))?.as_ref() == Some(digest) {
                self.remove_tag(repository, &tag)?;
            } else {
                self.durable.remove_file(&layout.tag_index(&tag, digest))?;
            }
        }
        if let Some(subject) = subject {
            self.durable.remove_file(&layout.referrer_link(subject, digest))?;
        }
        self.durable.remove_file(&layout.revision_link(digest))?;
        Ok(())
    }
}
