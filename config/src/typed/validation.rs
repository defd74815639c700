//! `validation`

use super::section::Section;
use crate::pattern;

/// `validation`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether references of a manifest must exist: on, unless `validation.disabled` is true and `validation.enabled`
    /// (2.x) is not.
    pub enabled: bool,
    /// `validation.manifests.urls.allow`: regular expressions. Without `allow` and `deny`, any http(s) URL is allowed.
    pub urls_allow: Vec<String>,
    /// `validation.manifests.urls.deny`
    pub urls_deny: Vec<String>,
    /// `validation.manifests.indexes.platforms`; all unless set.
    pub platforms: IndexPlatforms,
}

/// Which images of an index must exist when it is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexPlatforms {
    /// Every image that the index lists.
    All,
    /// None: sparse indexes are accepted.
    None,
    /// Those of these platforms (`os`, `architecture`).
    List(Vec<(String, String)>),
}

impl Validation {
    pub(crate) fn read(validation: &Section<'_>) -> Self {
        let disabled = validation.flag("disabled").unwrap_or(false);
        let manifests = validation.section("manifests");
        let urls = manifests.section("urls");
        Self {
            enabled: validation.flag("enabled").unwrap_or(false) || !disabled,
            urls_allow: expressions(&urls, "allow"),
            urls_deny: expressions(&urls, "deny"),
            platforms: platforms(&manifests.section("indexes")),
        }
    }
}

fn expressions(urls: &Section<'_>, name: &str) -> Vec<String> {
    urls.parse_each(name, |text| pattern::compile(text).map(|_| text.to_owned()))
}

fn platforms(indexes: &Section<'_>) -> IndexPlatforms {
    let platform = |item: &Section<'_>| {
        for name in ["os", "architecture"] {
            item.missing(name, "expected both, such as os: linux and architecture: amd64");
        }
        Some((item.text("os")?, item.text("architecture")?))
    };
    let list: Vec<_> = indexes.items("platformlist").iter().filter_map(platform).collect();
    match indexes.text("platforms").map(|text| text.to_lowercase()).as_deref() {
        None | Some("all") => IndexPlatforms::All,
        Some("none") => IndexPlatforms::None,
        Some("list") => {
            indexes.missing("platformlist", "expected the platforms that platforms: list speaks of");
            IndexPlatforms::List(list)
        }
        Some(_) => {
            indexes.mistake("platforms", "expected all, none or list");
            IndexPlatforms::All
        }
    }
}
