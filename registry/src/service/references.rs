//! What a manifest refers to must be in its repository before it.

use std::collections::HashSet;

use lockgate_config::IndexPlatforms;

use super::error::{Error, Result};
use super::settings::ManifestValidation;
use crate::oci::{Content, Descriptor, Digest, Manifest, RepositoryName, excerpt};
use crate::storage::Storage;

/// Digests of missing content that an error names; beyond them it says how many more there are. A manifest of 4 MiB can
/// name 49,000.
const NAMED: usize = 10;

/// Lookups without giving way to other requests.
const LOOKUPS_IN_A_ROW: usize = 64;

/// Refuses a manifest that refers to something missing. Its subject may always be missing.
pub(super) async fn check_references(
    storage: &dyn Storage,
    validation: &ManifestValidation,
    repository: &RepositoryName,
    manifest: &Manifest,
) -> Result<()> {
    let mut checked = Checked {
        storage,
        repository,
        seen: HashSet::new(),
        missing: Vec::new(),
        others: 0,
    };
    match &manifest.content {
        Content::Image { config, layers } => {
            layers.iter().try_for_each(|layer| check_urls(validation, layer))?;
            let needed = layers.iter().filter(|layer| !layer.is_elsewhere());
            for descriptor in std::iter::once(config).chain(needed) {
                checked.blob(&descriptor.digest).await?;
            }
        }
        Content::Index { manifests } => {
            for descriptor in manifests
                .iter()
                .filter(|image| must_exist(&validation.platforms, image))
            {
                checked.manifest(&descriptor.digest).await?;
            }
        }
    }
    let Checked { missing, others, .. } = checked;
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::ReferencesUnknown { missing, others })
    }
}

fn check_urls(validation: &ManifestValidation, layer: &Descriptor) -> Result<()> {
    match layer.urls.iter().find(|url| !validation.allows_url(url)) {
        None => Ok(()),
        Some(url) => Err(Error::LayerUrl {
            digest: layer.digest.clone(),
            url: excerpt(url),
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
    seen: HashSet<&'a Digest>,
    missing: Vec<Digest>,
    others: usize,
}

impl<'a> Checked<'a> {
    async fn blob(&mut self, digest: &'a Digest) -> Result<()> {
        if self.is_new(digest).await && !self.has_blob(digest).await? {
            self.lacks(digest);
        }
        Ok(())
    }

    /// An index may list a blob: BuildKit's cache does so with layers.
    async fn manifest(&mut self, digest: &'a Digest) -> Result<()> {
        if self.is_new(digest).await && !self.has_manifest(digest).await? && !self.has_blob(digest).await? {
            self.lacks(digest);
        }
        Ok(())
    }

    async fn is_new(&mut self, digest: &'a Digest) -> bool {
        let is_new = self.seen.insert(digest);
        if is_new && self.seen.len().is_multiple_of(LOOKUPS_IN_A_ROW) {
            tokio::task::yield_now().await;
        }
        is_new
    }

    fn lacks(&mut self, digest: &Digest) {
        if self.missing.len() < NAMED {
            self.missing.push(digest.clone());
        } else {
            self.others += 1;
        }
    }

    async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        Ok(Error::absent(self.storage.blob(self.repository, digest).await)?.is_some())
    }

    async fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        Ok(Error::absent(self.storage.has_manifest(self.repository, digest).await)?.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use lockgate_config::IndexPlatforms;
    use serde_json::{Value, json};

    use crate::oci::Digest;
    use crate::service::error::{Error, Result};
    use crate::service::manifests::PutManifest;
    use crate::service::testing::{descriptor, image, index, registry, registry_with, sha256};

    fn missing(result: Result<PutManifest>) -> Vec<Digest> {
        match result {
            Ok(_) => Vec::new(),
            Err(Error::ReferencesUnknown { missing, others: 0 }) => missing,
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn everything_that_is_missing_is_named_once() {
        let registry = registry();
        let there = registry.push_blob("r", "there").await;
        registry.push_blob("elsewhere", "config").await;
        let [config, a, b] = ["config", "a", "b"].map(sha256);
        let manifest = image(
            &config,
            &[a.clone(), there.clone(), b.clone(), a.clone(), config.clone()],
        );
        assert_eq!(missing(registry.push("r", "t", &manifest).await), [config, a, b]);
        assert_eq!(missing(registry.push("r", "t", &image(&there, &[])).await), []);
    }

    #[tokio::test]
    async fn ten_are_named_and_the_others_counted() {
        let registry = registry();
        let there = registry.push_blob("r", "there").await;
        for (layers, expected) in [(9, (9, 0)), (10, (10, 0)), (11, (10, 1)), (1000, (10, 990))] {
            let unknown: Vec<Digest> = (0..layers).map(|number| sha256(format!("{number}"))).collect();
            let twice = [&unknown[..], &unknown[..]].concat();
            for manifest in [image(&there, &twice), index(&twice)] {
                match registry.push("r", "t", &manifest).await {
                    Err(Error::ReferencesUnknown { missing, others }) => {
                        assert_eq!((missing.len(), others), expected);
                        assert_eq!(missing, unknown[..missing.len()]);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn an_index_needs_its_manifests_of_any_kind() {
        let registry = registry();
        let image = registry.push_image("r", "a", "1").await;
        let nested = registry
            .push("r", "nested", &index(std::slice::from_ref(&image)))
            .await
            .unwrap()
            .digest;
        // BuildKit lists layers as the manifests of its cache.
        let layer = registry.push_blob("r", "layer").await;
        let (gone, lost) = (sha256("gone"), sha256("lost"));
        let whole = index(&[image.clone(), nested, layer]);
        assert_eq!(missing(registry.push("r", "whole", &whole).await), []);
        assert_eq!(missing(registry.push("r", "empty", &index(&[])).await), []);
        let sparse = index(&[gone.clone(), image, lost.clone()]);
        assert_eq!(missing(registry.push("r", "sparse", &sparse).await), [gone, lost]);
    }

    fn multi_platform(images: &[(&Digest, Option<(&str, &str)>)]) -> Value {
        let images = images.iter().map(|(digest, platform)| {
            let mut image = descriptor("application/vnd.oci.image.manifest.v1+json", digest);
            if let Some((os, architecture)) = platform {
                image["platform"] = json!({ "os": os, "architecture": architecture });
            }
            image
        });
        let mut index = index(&[]);
        index["manifests"] = images.collect();
        index
    }

    #[tokio::test]
    async fn indexes_may_be_sparse_where_the_settings_say_so() {
        let [linux, arm, unnamed] = ["linux", "arm", "unnamed"].map(sha256);
        let sparse = multi_platform(&[
            (&linux, Some(("linux", "amd64"))),
            (&arm, Some(("linux", "arm64"))),
            (&unnamed, None),
        ]);
        let list = |platforms: &[(&str, &str)]| {
            let owned = platforms
                .iter()
                .map(|(os, architecture)| ((*os).to_owned(), (*architecture).to_owned()));
            IndexPlatforms::List(owned.collect())
        };
        for (platforms, expected) in [
            (IndexPlatforms::All, vec![&linux, &arm, &unnamed]),
            (IndexPlatforms::None, vec![]),
            (list(&[("linux", "arm64"), ("windows", "amd64")]), vec![&arm]),
            (list(&[]), vec![&linux, &arm, &unnamed]),
        ] {
            let registry = registry_with(|_, validation| validation.platforms = platforms.clone());
            let found = missing(registry.push("r", "sparse", &sparse).await);
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{platforms:?}");
            // An image's own blobs are needed all the same.
            assert_eq!(
                missing(registry.push("r", "image", &image(&linux, &[])).await),
                std::slice::from_ref(&linux)
            );
        }
    }

    #[tokio::test]
    async fn nothing_needs_to_exist_without_validation() {
        let registry = registry_with(|_, validation| validation.enabled = false);
        let gone = sha256("gone");
        assert_eq!(
            missing(registry.push("r", "image", &image(&gone, &[sha256("layer")])).await),
            []
        );
        assert_eq!(
            missing(registry.push("r", "index", &index(&[sha256("other")])).await),
            []
        );
    }

    const NONDISTRIBUTABLE: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    fn with_layer(config: &Digest, media_type: &str, urls: &[&str]) -> Value {
        let mut image = image(config, &[]);
        let mut layer = descriptor(media_type, &sha256("foreign"));
        layer["urls"] = json!(urls);
        image["layers"] = json!([layer]);
        image
    }

    #[tokio::test]
    async fn nondistributable_layers_may_be_elsewhere() {
        let registry = registry();
        let config = registry.push_blob("r", "{}").await;
        let url = "https://store.example.com/blobs/foreign";
        for (media_type, urls, needed) in [
            (NONDISTRIBUTABLE, &[url][..], false),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                &[url],
                false,
            ),
            (NONDISTRIBUTABLE, &[], true),
            (LAYER, &[url], true),
        ] {
            let pushed = registry.push("r", "t", &with_layer(&config, media_type, urls)).await;
            assert_eq!(!missing(pushed).is_empty(), needed, "{media_type} {urls:?}");
        }
    }

    #[tokio::test]
    async fn urls_follow_the_settings() {
        let registry = registry_with(|_, validation| {
            validation.urls_allow = vec!["^https://good\\.example/".to_owned()];
            validation.urls_deny = vec!["/private/".to_owned()];
        });
        let config = registry.push_blob("r", "{}").await;
        for (url, allowed) in [
            ("https://good.example/layer", true),
            ("https://bad.example/layer", false),
            ("https://good.example/private/layer", false),
            ("https://good.example/layer#fragment", false),
        ] {
            let urls = ["https://good.example/first", url];
            let pushed = registry
                .push("r", "t", &with_layer(&config, NONDISTRIBUTABLE, &urls))
                .await;
            match pushed {
                Ok(_) => assert!(allowed, "{url}"),
                Err(Error::LayerUrl { url: refused, .. }) => assert!(!allowed && refused == url, "{url}"),
                Err(other) => panic!("{url}: {other}"),
            }
        }
    }
}
