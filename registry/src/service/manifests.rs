//! Manifests: storing them byte for byte, serving them as what they are, removing them with what depends on them.

use bytes::Bytes;

use super::{Error, Registry, Result, references};
use crate::oci::{Algorithm, Digest, Manifest, MediaType, Reference, RepositoryName, Tag};
use crate::storage;

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
        let limit = settings.max_manifest_size;
        if content.len() as u64 > limit {
            return Err(Error::ManifestTooLarge { limit });
        }
        let digest = verify(reference, &content)?;
        let manifest = Manifest::parse(&content)?;
        check_type(content_type, &manifest.media_type)?;
        if let Some(rules) = &settings.validation {
            references::check(&*self.storage, rules, repository, &manifest).await?;
        }
        let mut pointing = tags.to_vec();
        match reference {
            Reference::Tag(tag) if !tags.contains(tag) => pointing.push(tag.clone()),
            Reference::Tag(_) | Reference::Digest(_) => {}
        }
        let subject = manifest.subject;
        self.storage
            .put_manifest(repository, &digest, content, subject.as_ref(), &pointing)
            .await?;
        Ok(PutManifest {
            digest,
            subject,
            tags: tags.to_vec(),
        })
    }

    /// The manifest that `reference` names.
    pub(crate) async fn manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<StoredManifest> {
        let digest = match reference {
            Reference::Digest(digest) => digest.clone(),
            Reference::Tag(tag) => self.storage.resolve_tag(repository, tag).await?,
        };
        let content = self.storage.manifest(repository, &digest).await?;
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
