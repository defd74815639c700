//! What the tests of the rules share: a registry over a temporary directory, and manifests to push into it.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use lockgate_config::{IndexPlatforms, Limits, Storage, Validation};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::error::Result;
use super::manifests::PutManifest;
use super::registry::Registry;
use super::settings::ServiceSettings;
use crate::oci::{Algorithm, Digest, Reference, RepositoryName};
use crate::storage;
use crate::storage::filesystem::FilesystemStorage;

pub(super) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry that goes with its directory.
pub(super) struct Fixture {
    registry: Registry,
    pub(super) root: TempDir,
}

impl Deref for Fixture {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        &self.registry
    }
}

/// With everything allowed and everything checked.
pub(super) fn registry() -> Fixture {
    registry_with(|_, _| ())
}

pub(super) fn registry_with(adapt: impl FnOnce(&mut Storage, &mut Validation)) -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let storage = FilesystemStorage::open(root.path(), storage::filesystem::FilesystemSettings::default()).unwrap();
    let registry = Registry::new(Arc::new(storage), settings(adapt));
    Fixture { registry, root }
}

pub(super) fn settings(adapt: impl FnOnce(&mut Storage, &mut Validation)) -> ServiceSettings {
    let mut storage = Storage {
        root: "/nowhere".into(),
        max_threads: 4,
        delete: true,
        read_only: false,
        upload_purging: None,
        max_manifest_size: 4 * 1024 * 1024,
        chunk_min_length: None,
    };
    let mut validation = Validation {
        enabled: true,
        urls_allow: Vec::new(),
        urls_deny: Vec::new(),
        platforms: IndexPlatforms::All,
    };
    adapt(&mut storage, &mut validation);
    ServiceSettings::new(&storage, &Limits::default(), &validation).unwrap()
}

pub(super) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(super) fn reference(text: impl ToString) -> Reference {
    text.to_string().parse().unwrap()
}

pub(super) fn sha256(content: impl AsRef<[u8]>) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_ref())
}

pub(super) fn bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value).unwrap().into()
}

pub(super) fn descriptor(media_type: &str, digest: &Digest) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": 2 })
}

/// An OCI image of a config and layers.
pub(super) fn image(config: &Digest, layers: &[Digest]) -> Value {
    let layer = |digest| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", digest);
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

/// An OCI index of images.
pub(super) fn index(images: &[Digest]) -> Value {
    let images = images.iter().map(|digest| descriptor(OCI_IMAGE, digest));
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images.collect::<Vec<_>>() })
}

/// An artifact about `subject`, told apart from others by `note`.
pub(super) fn artifact(subject: &Digest, artifact_type: &str, note: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE,
        "artifactType": artifact_type,
        "config": descriptor("application/vnd.oci.empty.v1+json", &sha256("{}")),
        "layers": [],
        "subject": descriptor(OCI_IMAGE, subject),
        "annotations": { "note": note },
    })
}

impl Fixture {
    pub(super) async fn push_blob(&self, repository: &str, content: impl Into<Bytes>) -> Digest {
        let (repository, content) = (name(repository), content.into());
        let digest = sha256(&content);
        let id = self.begin_upload(None, &repository, Algorithm::Sha256).await.unwrap();
        let mut chunk = self.append(&repository, &id, None, None).await.unwrap();
        chunk.write(content).await.unwrap();
        chunk.finish(&digest).await.unwrap().digest
    }

    pub(super) async fn push(&self, repository: &str, under: impl ToString, manifest: &Value) -> Result<PutManifest> {
        let under = reference(under);
        self.put_manifest(&name(repository), &under, None, bytes(manifest), &[])
            .await
    }

    /// An image without layers, with all it needs.
    pub(super) async fn push_image(&self, repository: &str, tag: &str, config: &'static str) -> Digest {
        let config = self.push_blob(repository, config).await;
        self.push(repository, tag, &image(&config, &[])).await.unwrap().digest
    }
}
