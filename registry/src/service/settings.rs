//! What the configuration says about the rules.

use lockgate_config::{IndexPlatforms, Limits, Storage, Validation};
use regex::RegexSet;

use super::error::Error;

/// The rules' settings; replaced as a whole on reload.
#[derive(Debug)]
pub(crate) struct ServiceSettings {
    /// `storage.delete.enabled`
    pub(super) delete: bool,
    /// `storage.maintenance.readonly.enabled`
    pub(super) read_only: bool,
    /// `storage.manifest.maxsize`
    pub(super) manifest_limit: ManifestLimit,
    /// `storage.upload.chunkminlength`, bytes.
    pub(super) chunk_min_length: Option<u64>,
    /// `http.limits.maxuploads`
    pub(super) max_uploads: usize,
    /// `validation`; `None` when disabled: whatever a manifest refers to may be missing.
    pub(super) validation: Option<ManifestValidation>,
}

/// `validation.manifests`
#[derive(Debug)]
pub(crate) struct ManifestValidation {
    allow: Option<RegexSet>,
    deny: Option<RegexSet>,
    /// Which images of an index must be here before it.
    pub(super) platforms: IndexPlatforms,
}

/// `storage.manifest.maxsize`, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ManifestLimit(u64);

impl ManifestLimit {
    /// Refuses a manifest of `length` bytes, or one of which so many have come, when that is too much.
    pub(crate) fn check(self, length: u64) -> Result<(), Error> {
        if length <= self.0 {
            Ok(())
        } else {
            Err(Error::ManifestTooLarge { limit: self.0 })
        }
    }
}

impl ServiceSettings {
    /// From the sections of the configuration.
    pub(crate) fn new(storage: &Storage, limits: &Limits, validation: &Validation) -> Result<Self, InvalidPattern> {
        Ok(Self {
            delete: storage.delete,
            read_only: storage.read_only,
            manifest_limit: ManifestLimit(storage.max_manifest_size),
            chunk_min_length: storage.chunk_min_length,
            max_uploads: limits.max_uploads,
            validation: validation
                .enabled
                .then(|| ManifestValidation::new(validation))
                .transpose()?,
        })
    }
}

impl ManifestValidation {
    fn new(validation: &Validation) -> Result<Self, InvalidPattern> {
        Ok(Self {
            allow: compile("manifests.urls.allow", &validation.urls_allow)?,
            deny: compile("manifests.urls.deny", &validation.urls_deny)?,
            platforms: validation.platforms.clone(),
        })
    }

    /// Whether a layer may have this address: an http(s) URL without fragment that is allowed, if there is a list, and
    /// not denied. Patterns match anywhere in the URL, as in CNCF distribution.
    ///
    /// With neither list CNCF distribution allows no URL at all, so that a client which passes its layers' own
    /// addresses on fails. The registry never follows them; here they are allowed until a list says otherwise.
    pub(super) fn allows_url(&self, url: &str) -> bool {
        is_http(url)
            && self.allow.as_ref().is_none_or(|allow| allow.is_match(url))
            && !self.deny.as_ref().is_some_and(|deny| deny.is_match(url))
    }
}

fn is_http(url: &str) -> bool {
    let parsed = url.parse::<http::Uri>();
    let is_http = |uri: http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    !url.contains('#') && parsed.is_ok_and(is_http)
}

fn compile(key: &'static str, patterns: &[String]) -> Result<Option<RegexSet>, InvalidPattern> {
    let set = (!patterns.is_empty()).then(|| RegexSet::new(patterns)).transpose();
    set.map_err(|source| InvalidPattern { key, source })
}

/// A pattern is no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {source}")]
pub(crate) struct InvalidPattern {
    /// The list, below `validation`.
    key: &'static str,
    /// What is wrong with it, and where.
    source: regex::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> Result<ManifestValidation, InvalidPattern> {
        let list = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        ManifestValidation::new(&Validation {
            enabled: true,
            urls_allow: list(allow),
            urls_deny: list(deny),
            platforms: IndexPlatforms::All,
        })
    }

    #[test]
    fn urls_follow_the_lists() {
        let rules = rules(&["^https://(a|b)\\.example/", "internal"], &["/secret/"]).unwrap();
        for url in ["https://a.example/x", "https://b.example/", "http://internal.example/x"] {
            assert!(rules.allows_url(url), "{url}");
        }
        for url in ["https://c.example/", "https://a.example/secret/x", "http://a.example/"] {
            assert!(!rules.allows_url(url), "{url}");
        }
    }

    #[test]
    fn a_denying_list_alone_allows_the_rest() {
        let rules = rules(&[], &["^http:"]).unwrap();
        assert!(rules.allows_url("https://a.example/x"));
        assert!(!rules.allows_url("http://a.example/x"));
    }

    #[test]
    fn without_lists_it_must_be_an_http_url() {
        let rules = rules(&[], &[]).unwrap();
        assert!(rules.allows_url("https://a.example/x?y=z"));
        assert!(rules.allows_url("HTTP://a.example"));
        for url in [
            "",
            "/x",
            "a.example/x",
            "ftp://a.example/x",
            "https://a.example/x#y",
            "https://",
            "file:///etc/passwd",
        ] {
            assert!(!rules.allows_url(url), "{url}");
        }
    }

    #[test]
    fn a_wrong_pattern_is_named_with_its_list() {
        let error = rules(&[], &["("]).unwrap_err().to_string();
        assert!(error.starts_with("manifests.urls.deny: regex parse error"), "{error}");
    }
}
