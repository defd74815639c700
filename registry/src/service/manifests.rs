//! Manifests: storing them byte for byte, serving them as what they are, removing them with what depends on them.

use bytes::Bytes;

use super::error::{Error, Result};
use super::references;
use super::registry::Registry;
use super::settings::ServiceSettings;
use crate::oci::{Algorithm, Digest, Manifest, MediaType, Reference, RepositoryName, Tag};
use crate::storage;

/// Manifests of more bytes than this are read one at a time. Those of images and indexes have a few KiB.
const LARGE: usize = 64 * 1024;

/// A manifest that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PutManifest {
    /// What it hashes to.
    pub(crate) digest: Digest,
    /// What it is about; told in `OCI-Subject`, so that the client need not keep the fallback tag.
    pub(crate) subject: Option<Digest>,
    /// The further tags that point to it now; told in `OCI-Tag`.
    pub(crate) tags: Vec<Tag>,
}

/// A manifest as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredManifest {
    /// What it hashes to.
    pub(crate) digest: Digest,
    /// What it is.
    pub(crate) media_type: MediaType,
    /// Its bytes, as they were pushed.
    pub(crate) content: Bytes,
}

impl Registry {
    /// Stores a manifest under `reference` and `tags`, provided that it is one, that it is what `content_type` and a
    /// digest in `reference` say, and that the repository has what it refers to.
    pub(crate) async fn put_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        content_type: Option<&str>,
        content: Bytes,
        tags: &[Tag],
    ) -> Result<PutManifest> {
        self.require_writable()?;
        let settings = self.settings.load_full();
        settings.manifest_limit.check(content.len() as u64)?;
        let digest = verify(reference, &content)?;
        let subject = self.examine(&settings, repository, content_type, &content).await?;
        let mut pointing = tags.to_vec();
        match reference {
            Reference::Tag(tag) if !tags.contains(tag) => pointing.push(tag.clone()),
            Reference::Tag(_) | Reference::Digest(_) => {}
        }
        self.storage
            .put_manifest(repository, &digest, content, subject.as_ref(), &pointing)
            .await?;
        Ok(PutManifest {
            digest,
            subject,
            tags: tags.to_vec(),
        })
    }

    /// Refuses what is no manifest, or one that refers to something missing; gives its subject. Read, a manifest takes up
    /// to seven times its size in memory: one large one is read at a time, and none of it is kept.
    async fn examine(
        &self,
        settings: &ServiceSettings,
        repository: &RepositoryName,
        content_type: Option<&str>,
        content: &[u8],
    ) -> Result<Option<Digest>> {
        let _turn = if content.len() > LARGE {
            Some(self.large_manifests.lock().await)
        } else {
            None
        };
        let manifest = Manifest::parse(content)?;
        check_type(content_type, &manifest.media_type)?;
        if let Some(validation) = &settings.validation {
            references::check_references(&*self.storage, validation, repository, &manifest).await?;
        }
        Ok(manifest.subject)
    }

    /// The manifest that `reference` names.
    pub(crate) async fn manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<StoredManifest> {
        let read = async |digest: &Digest| self.storage.manifest(repository, digest).await;
        let (digest, content) = match reference {
            Reference::Digest(digest) => (digest.clone(), read(digest).await?),
            Reference::Tag(tag) => follow(async || self.storage.resolve_tag(repository, tag).await, read).await?,
        };
        match Manifest::media_type_of(&content) {
            Ok(media_type) => Ok(StoredManifest {
                digest,
                media_type,
                content,
            }),
            Err(source) => Err(Error::StoredManifest { digest, source }),
        }
    }

    /// Removes a tag; or a manifest, with the tags that point to it and its place among the referrers of its subject.
    pub(crate) async fn delete_manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<()> {
        self.require_deletable()?;
        let digest = match reference {
            Reference::Tag(tag) => return Ok(self.storage.delete_tag(repository, tag).await?),
            Reference::Digest(digest) => digest,
        };
        // What cannot be read has no place among referrers either, and must not be undeletable.
        let subject = match self.storage.manifest(repository, digest).await {
            Ok(content) => Manifest::parse(&content).ok().and_then(|manifest| manifest.subject),
            Err(storage::Error::ManifestUnknown(_) | storage::Error::Corrupt { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(self
            .storage
            .delete_manifest(repository, digest, subject.as_ref())
            .await?)
    }
}

/// What a tag points to, and its content. Between the two reads the tag may move and what it pointed to be deleted; the
/// tag was there all the time, so it is followed again.
async fn follow(
    resolve: impl AsyncFn() -> storage::Result<Digest>,
    read: impl AsyncFn(&Digest) -> storage::Result<Bytes>,
) -> storage::Result<(Digest, Bytes)> {
    let mut digest = resolve().await?;
    loop {
        match read(&digest).await {
            Err(error @ storage::Error::ManifestUnknown(_)) => match resolve().await? {
                moved if moved != digest => digest = moved,
                _ => return Err(error),
            },
            content => return Ok((digest, content?)),
        }
    }
}

/// The digest of `content`, with the algorithm of the one it is pushed under.
fn verify(reference: &Reference, content: &[u8]) -> Result<Digest> {
    match reference {
        Reference::Tag(_) => Ok(Digest::of(Algorithm::Sha256, content)),
        Reference::Digest(declared) => {
            let actual = Digest::of(declared.algorithm(), content);
            if actual == *declared {
                Ok(actual)
            } else {
                Err(storage::Error::DigestMismatch {
                    declared: declared.clone(),
                    actual,
                }
                .into())
            }
        }
    }
}

/// OCI distribution specification, "Pushing Manifests": `Content-Type` is what `mediaType` says. Storage keeps only the
/// content, so a type that it does not show could not be served again.
fn check_type(content_type: Option<&str>, actual: &MediaType) -> Result<()> {
    let Some(content_type) = content_type else {
        return Ok(());
    };
    let declared: MediaType = content_type.parse()?;
    if declared == *actual {
        Ok(())
    } else {
        Err(Error::MediaTypeMismatch {
            declared,
            actual: actual.clone(),
        })
    }
}

#[cfg(test)]
#[path = "manifests_tests.rs"]
mod tests;
