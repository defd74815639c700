//! Repositories, in the lexical order of their whole names.
//!
//! Directories are walked in that order too, so a page costs what it shows. Sorting a directory's entries is not enough:
//! `a-b` comes before `a/b`, since `-` is less than `/`. So a directory `a` stands in the order twice: as the repository
//! `a`, and as the subtree `a/`, whose names all begin so.

use std::path::Path;

use async_trait::async_trait;

use super::backend::{FilesystemStorage, Inner};
use super::disk::link;
use crate::oci::RepositoryName;
use crate::storage::layout::RepositoryLayout;
use crate::storage::{Catalog, Condition, Page, Result};

#[async_trait]
impl Catalog for FilesystemStorage {
    async fn repositories(&self, after: Option<&str>, limit: usize) -> Result<Page<RepositoryName>> {
        let after = after.unwrap_or_default().to_owned();
        self.run(move |inner| {
            // As in distribution 3.1: blobs and uploads alone make no repository.
            let is_repository = |name: &RepositoryName| inner.layout.repository(name).manifests().is_dir();
            page(inner.names(&after), is_repository, limit)
        })
        .await
    }

    async fn names(&self, after: Option<&str>, limit: usize) -> Result<Page<RepositoryName>> {
        let after = after.unwrap_or_default().to_owned();
        self.run(move |inner| {
            let has_blobs = |name: &RepositoryName| inner.layout.repository(name).layers().is_dir();
            page(inner.names(&after), has_blobs, limit)
        })
        .await
    }

    async fn health(&self) -> Result<Condition> {
        self.run(Inner::health).await
    }
}

impl Inner {
    /// Names after `after` that have a directory, whether or not there is a repository in it.
    pub(super) fn names<'a>(&'a self, after: &'a str) -> Names<'a> {
        Names {
            root: self.layout.repositories(),
            after,
            ahead: vec![String::from("/")],
        }
    }
}

/// The first `limit` of `names` that are wanted, and whether another one is.
fn page(names: Names<'_>, wanted: impl Fn(&RepositoryName) -> bool, limit: usize) -> Result<Page<RepositoryName>> {
    let mut wanted = names.filter(|name| name.as_ref().map_or(true, &wanted));
    let items = wanted.by_ref().take(limit).collect::<Result<_>>()?;
    let more = wanted.next().transpose()?.is_some();
    Ok(Page { items, more })
}

/// Walks the directories below `repositories`.
pub(super) struct Names<'a> {
    root: &'a Path,
    after: &'a str,
    /// What is still to be looked at, the next one last: `name` itself, or `name/` for what is below it.
    ahead: Vec<String>,
}

impl Names<'_> {
    fn descend(&mut self, subtree: &str) -> Result<()> {
        let prefix = subtree.trim_start_matches('/');
        let mut keys = Vec::new();
        for name in link::list(&self.root.join(prefix))? {
            if name.starts_with(RepositoryLayout::RESERVED) {
                continue;
            }
            let key = format!("{prefix}{name}");
            let subtree = format!("{key}/");
            if *key > *self.after {
                keys.push(key);
            }
            // All names below are after `after`, or some may be.
            if *subtree > *self.after || self.after.starts_with(&subtree) {
                keys.push(subtree);
            }
        }
        keys.sort_unstable_by(|a, b| b.cmp(a));
        self.ahead.append(&mut keys);
        Ok(())
    }
}

impl Iterator for Names<'_> {
    type Item = Result<RepositoryName>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = self.ahead.pop()?;
            if key.ends_with('/') {
                if let Err(error) = self.descend(&key) {
                    return Some(Err(error));
                }
            } else if let Ok(name) = key.parse() {
                return Some(Ok(name));
            }
        }
    }
}
