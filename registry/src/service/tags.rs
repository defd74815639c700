//! The list of tags.

use super::error::Result;
use super::registry::Registry;
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

#[cfg(test)]
mod tests {
    use crate::service::Error;
    use crate::service::testing::{name, registry};
    use crate::storage;

    #[tokio::test]
    async fn tags_come_in_order_and_in_pages() {
        let registry = registry();
        for tag in ["b", "a", "latest", "1.0", "B"] {
            registry.push_image("r", tag, "{}").await;
        }
        let page = async |n, last| {
            let page = registry.tags(&name("r"), n, last).await.unwrap();
            (
                page.items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                page.more,
            )
        };
        assert_eq!(page(None, None).await, ("1.0 B a b latest".to_owned(), false));
        assert_eq!(page(Some(2), None).await, ("1.0 B".to_owned(), true));
        assert_eq!(page(Some(2), Some("B")).await, ("a b".to_owned(), true));
        assert_eq!(page(Some(2), Some("b")).await, ("latest".to_owned(), false));
        assert_eq!(page(None, Some("aa")).await, ("b latest".to_owned(), false));
        assert_eq!(page(Some(0), None).await, (String::new(), false));
    }

    #[tokio::test]
    async fn the_repository_must_exist() {
        let registry = registry();
        for n in [None, Some(0), Some(1)] {
            let unknown = registry.tags(&name("r"), n, None).await;
            assert!(
                matches!(unknown, Err(Error::Storage(storage::Error::RepositoryUnknown(_)))),
                "{n:?}"
            );
        }
    }
}
