//! The list of repositories, CNCF distribution's `/v2/_catalog`.

use super::error::Result;
use super::registry::{MayRead, Registry};
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
        if wanted == 0 {
            return Ok(Page { items, more: false });
        }
        loop {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::testing::{Fixture, name, registry};

    async fn page(registry: &Fixture, n: usize, last: Option<&str>, may_read: MayRead<'_>) -> (Vec<String>, bool) {
        let page = registry.catalog(Some(n), last, may_read).await.unwrap();
        (page.items.iter().map(ToString::to_string).collect(), page.more)
    }

    async fn filled(names: &[&str]) -> Fixture {
        let registry = registry();
        for name in names {
            registry.push_image(name, "latest", "{}").await;
        }
        registry
    }

    #[tokio::test]
    async fn pages_follow_on() {
        let registry = filled(&["a", "a/b", "a-b", "c"]).await;
        let all = &|_: &RepositoryName| true;
        assert_eq!(
            page(&registry, 2, None, all).await,
            (vec!["a".into(), "a-b".into()], true)
        );
        assert_eq!(
            page(&registry, 2, Some("a-b"), all).await,
            (vec!["a/b".into(), "c".into()], false)
        );
        assert_eq!(page(&registry, 0, None, all).await, (vec![], false));
        assert_eq!(page(&registry, usize::MAX, None, all).await.0.len(), 4);
    }

    // proves: MAKINA-06
    #[tokio::test]
    async fn hidden_repositories_leave_no_trace() {
        let registry = filled(&["a/1", "a/2", "b/1", "b/2", "c/1", "c/2"]).await;
        let mine = &|repository: &RepositoryName| repository.as_str().starts_with("b/");
        assert_eq!(page(&registry, 1, None, mine).await, (vec!["b/1".into()], true));
        // No more, though repositories of others follow.
        assert_eq!(
            page(&registry, 2, None, mine).await,
            (vec!["b/1".into(), "b/2".into()], false)
        );
        assert_eq!(page(&registry, 1, Some("b/1"), mine).await, (vec!["b/2".into()], false));
        assert_eq!(page(&registry, 9, None, &|_| false).await, (vec![], false));
    }

    #[tokio::test]
    async fn blobs_alone_make_no_repository() {
        let registry = registry();
        registry.push_blob("a", "blob").await;
        assert_eq!(page(&registry, 9, None, &|_| true).await, (vec![], false));
        assert!(
            registry
                .blob(&name("a"), &crate::service::testing::sha256("blob"))
                .await
                .is_ok()
        );
    }
}
