//! What a manifest refers to must be in its repository before it.

use std::collections::HashSet;

use lockgate_config::IndexPlatforms;

use super::settings::Rules;
use super::{Error, Result};
use crate::oci::{Content, Descriptor, Digest, Manifest, RepositoryName};
use crate::storage::Storage;

/// Refuses a manifest that refers to something missing, with all that is missing. Its subject may always be.
pub(super) async fn check(
    storage: &dyn Storage,
    rules: &Rules,
    repository: &RepositoryName,
    manifest: &Manifest,
) -> Result<()> {
    let mut checked = Checked {
        storage,
        repository,
        seen: HashSet::new(),
        missing: Vec::new(),
    };
    match &manifest.content {
        Content::Image { config, layers } => {
            layers.iter().try_for_each(|layer| check_urls(rules, layer))?;
            let needed = layers.iter().filter(|layer| !layer.is_elsewhere());
            for descriptor in std::iter::once(config).chain(needed) {
                checked.blob(&descriptor.digest).await?;
            }
        }
        Content::Index { manifests } => {
            for descriptor in manifests.iter().filter(|image| must_exist(&rules.platforms, image)) {
                checked.manifest(&descriptor.digest).await?;
            }
        }
    }
    match checked.missing {
        missing if missing.is_empty() => Ok(()),
        missing => Err(Error::ReferencesUnknown { missing }),
    }
}

fn check_urls(rules: &Rules, layer: &Descriptor) -> Result<()> {
    match layer.urls.iter().find(|url| !rules.allows_url(url)) {
        None => Ok(()),
        Some(url) => Err(Error::LayerUrl {
            digest: layer.digest.clone(),
            url: url.clone(),
        }),
    }
}

/// `validation.manifests.indexes`, as in CNCF distribution: an empty list means all.
fn must_exist(platforms: &IndexPlatforms, image: &Descriptor) -> bool {
    match platforms {
        IndexPlatforms::All => true,
        IndexPlatforms::None => false,
        IndexPlatforms::List(required) => {
            let is = |platform: &crate::oci::Platform| {
                required
                    .iter()
                    .any(|(os, architecture)| *os == platform.os && *architecture == platform.architecture)
            };
            required.is_empty() || image.platform.as_ref().is_some_and(is)
        }
    }
}

/// What was looked for, and not found; each digest once, however often a manifest repeats it.
struct Checked<'a> {
    storage: &'a dyn Storage,
    repository: &'a RepositoryName,
    seen: HashSet<Digest>,
    missing: Vec<Digest>,
}

impl Checked<'_> {
    async fn blob(&mut self, digest: &Digest) -> Result<()> {
        if self.seen.insert(digest.clone()) && !self.has_blob(digest).await? {
            self.missing.push(digest.clone());
        }
        Ok(())
    }

    /// An index may list a blob: BuildKit's cache does so with layers.
    async fn manifest(&mut self, digest: &Digest) -> Result<()> {
        if self.seen.insert(digest.clone()) && !self.has_manifest(digest).await? && !self.has_blob(digest).await? {
            self.missing.push(digest.clone());
        }
        Ok(())
    }

    async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        Ok(Error::absent(self.storage.blob(self.repository, digest).await)?.is_some())
    }

    async fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        Ok(Error::absent(self.storage.has_manifest(self.repository, digest).await)?.unwrap_or(false))
    }
}
