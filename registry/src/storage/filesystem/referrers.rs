//! Referrers: a link below the subject for each manifest that names it.

use async_trait::async_trait;

use super::backend::{FilesystemStorage, Inner};
use super::disk::link;
use crate::oci::{Digest, RepositoryName};
use crate::storage::{ReferrerStore, Result};

#[async_trait]
impl ReferrerStore for FilesystemStorage {
    async fn referrers(&self, repository: &RepositoryName, subject: &Digest) -> Result<Vec<Digest>> {
        let (repository, subject) = (repository.clone(), subject.clone());
        self.run(move |inner| inner.referrers(&repository, &subject)).await
    }
}

impl Inner {
    fn referrers(&self, repository: &RepositoryName, subject: &Digest) -> Result<Vec<Digest>> {
        let layout = self.layout.repository(repository);
        let directory = layout.referrers(subject);
        let mut found = Vec::new();
        for algorithm in link::list(&directory)? {
            for hex in link::list(&directory.join(&algorithm))? {
                let Ok(digest) = format!("{algorithm}:{hex}").parse::<Digest>() else {
                    continue;
                };
                // distribution, which does not know of these links, may have deleted or collected the revision.
                if link::read_link(&layout.referrer_link(subject, &digest))?.is_some()
                    && self.has_manifest(repository, &digest)?
                {
                    found.push(digest);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}
