//! The list of repositories, CNCF distribution's `/v2/_catalog`.

use super::{MayRead, Registry, Result};
use crate::oci::RepositoryName;
use crate::storage::Page;

/// A page without `n`, as in CNCF distribution.
const DEFAULT_PAGE: usize = 100;

/// The largest page. CNCF distribution refuses a larger `n`; a shorter page with a link to the next says the same, and
/// the client goes on.
const MAX_PAGE: usize = 1000;

impl Registry {
    /// Repositories after `last` that the caller may read, `n` at most. A page is full unless it is the last, and there
    /// is more only when the caller may read more: hidden repositories leave no trace.
    pub(crate) async fn catalog(
        &self,
        n: Option<usize>,
        last: Option<&str>,
        may_read: MayRead<'_>,
    ) -> Result<Page<RepositoryName>> {
        let wanted = n.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE);
        let mut items = Vec::new();
        let mut after = last.map(str::to_owned);
        while wanted > 0 {
            // One more than wanted tells whether there is more.
            let page = self
                .storage
                .repositories(after.as_deref(), wanted + 1 - items.len())
                .await?;
            after = page.items.last().map(|repository| repository.as_str().to_owned());
            items.extend(page.items.into_iter().filter(|repository| may_read(repository)));
            if items.len() > wanted || !page.more || after.is_none() {
                break;
            }
        }
        let more = items.len() > wanted;
        items.truncate(wanted);
        Ok(Page { items, more })
    }
}
