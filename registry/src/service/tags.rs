//! The list of tags.

use super::{Registry, Result};
use crate::oci::{RepositoryName, Tag};
use crate::storage::Page;

impl Registry {
    /// Tags after `last`, `n` at most; all of them without `n`, as in CNCF distribution.
    pub(crate) async fn tags(
        &self,
        repository: &RepositoryName,
        n: Option<usize>,
        last: Option<&str>,
    ) -> Result<Page<Tag>> {
        match n {
            // "When n is zero, this endpoint MUST return an empty list, and MUST NOT include a Link header." The
            // repository must exist all the same.
            Some(0) => {
                self.storage.tags(repository, None, 1).await?;
                Ok(Page {
                    items: Vec::new(),
                    more: false,
                })
            }
            n => Ok(self.storage.tags(repository, last, n.unwrap_or(usize::MAX)).await?),
        }
    }
}
