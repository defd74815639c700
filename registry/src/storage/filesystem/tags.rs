//! Tags: `current/link` says what a tag points to, `index` what it ever pointed to.

use std::fs;

use async_trait::async_trait;

use super::backend::{FilesystemStorage, Inner};
use super::disk::link;
use crate::oci::{Digest, RepositoryName, Tag};
use crate::storage::{Error, Page, Result, TagStore};

#[async_trait]
impl TagStore for FilesystemStorage {
    async fn resolve_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<Digest> {
        link::read_link(&self.inner.layout.repository(repository).tag_current(tag))?
            .ok_or_else(|| Error::TagUnknown(tag.clone()))
    }

    async fn tags(&self, repository: &RepositoryName, after: Option<&str>, limit: usize) -> Result<Page<Tag>> {
        let (repository, after) = (repository.clone(), after.map(str::to_owned));
        self.run(move |inner| inner.tags(&repository, after.as_deref(), limit))
            .await
    }

    async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<()> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.run(move |inner| {
            let manifests = inner.layout.repository(&repository).manifests();
            match inner.locks.lock_for_removing(&manifests)? {
                Some(_removing) if inner.remove_tag(&repository, &tag)? => Ok(()),
                _ => Err(Error::TagUnknown(tag)),
            }
        })
        .await
    }
}

impl Inner {
    fn tags(&self, repository: &RepositoryName, after: Option<&str>, limit: usize) -> Result<Page<Tag>> {
        let layout = self.layout.repository(repository);
        let mut tags = self.all_tags(repository)?;
        if tags.is_empty() && !layout.manifests().is_dir() && !layout.layers().is_dir() {
            return Err(Error::RepositoryUnknown(repository.clone()));
        }
        if let Some(after) = after {
            tags.retain(|tag| tag.as_str() > after);
        }
        tags.sort_unstable();

        // A crash may leave a tag without its current link; it was never acknowledged, or is deleted.
        let points = |tag: &Tag| fs::metadata(layout.tag_current(tag)).is_ok_and(|link| link.len() > 0);
        let mut tags = tags.into_iter().filter(points);
        let items: Vec<_> = tags.by_ref().take(limit).collect();
        Ok(Page {
            items,
            more: tags.next().is_some(),
        })
    }

    /// Every tag that has a directory, unordered.
    pub(super) fn all_tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>> {
        let directory = self.layout.repository(repository).tags();
        let names = link::list(&directory)?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Whether the tag was there. Call with the repository locked for removing.
    pub(super) fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool> {
        let layout = self.layout.repository(repository);
        // The tag is gone in one step, with nothing to allocate: it works on a full disk.
        let existed = self.durable.remove_file(&layout.tag_current(tag))?;
        let left = self.durable.remove_tree(&layout.tag(tag))?;
        Ok(existed || left)
    }
}
