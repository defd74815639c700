//! Referrers: what names a manifest as its subject, OCI distribution specification, "Listing Referrers".

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;

use super::error::{Error, Result};
use super::registry::Registry;
use crate::oci::{Content, Digest, Manifest, MediaType, Referrer, RepositoryName, Tag};

/// A page is no larger than the manifests that every client must take, 4 MiB ("Pushing Manifests").
const MAX_PAGE_SIZE: usize = 4 * 1024 * 1024;

/// How many manifests are read for one page, so that one request cannot keep the storage busy for long.
const MAX_PAGE_READS: usize = 1000;

/// One page of referrers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReferrersPage {
    /// An OCI image index, as JSON.
    pub(crate) content: Bytes,
    /// `last` of the next page, when there is one.
    pub(crate) next: Option<Digest>,
}

impl Registry {
    /// The referrers of `subject` after `last`, of `artifact_type` when one is given. A subject that is not known has
    /// none.
    pub(crate) async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        last: Option<&Digest>,
    ) -> Result<ReferrersPage> {
        let candidates = self.candidates(repository, subject).await?;
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = PageBuilder::new();
        let mut examined: Option<&Digest> = None;
        for (reads, digest) in candidates.range::<Digest, _>((after, Bound::Unbounded)).enumerate() {
            if reads == MAX_PAGE_READS {
                return Ok(page.build(examined.cloned()));
            }
            if let Some(referrer) = self.referrer(repository, digest, subject).await?
                && artifact_type.is_none_or(|wanted| referrer.artifact_type.as_deref() == Some(wanted))
                && !page.add(&referrer)
            {
                return Ok(page.build(examined.cloned()));
            }
            examined = Some(digest);
        }
        Ok(page.build(None))
    }

    /// Digests of what may name `subject`: the storage's index, and what a client listed under the fallback tag, before
    /// this registry held the repository or because it knows no better.
    async fn candidates(&self, repository: &RepositoryName, subject: &Digest) -> Result<BTreeSet<Digest>> {
        let indexed = Error::absent(self.storage.referrers(repository, subject).await)?.unwrap_or_default();
        let mut candidates = BTreeSet::from_iter(indexed);
        let fallback = match Error::absent(self.storage.resolve_tag(repository, &fallback_tag(subject)).await)? {
            Some(digest) => Error::absent(self.storage.manifest(repository, &digest).await)?,
            None => None,
        };
        if let Some(Content::Index { manifests }) = fallback
            .and_then(|content| Manifest::parse(&content).ok())
            .map(|manifest| manifest.content)
        {
            candidates.extend(manifests.into_iter().map(|descriptor| descriptor.digest));
        }
        Ok(candidates)
    }

    /// The manifest as a referrer; `None` when it is gone, or does not name `subject` after all.
    async fn referrer(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        subject: &Digest,
    ) -> Result<Option<Referrer>> {
        let Some(content) = Error::absent(self.storage.manifest(repository, digest).await)? else {
            return Ok(None);
        };
        let manifest = Manifest::parse(&content)
            .ok()
            .filter(|manifest| manifest.subject.as_ref() == Some(subject));
        Ok(manifest.map(|manifest| Referrer {
            artifact_type: manifest.referrer_type().map(str::to_owned),
            media_type: manifest.media_type,
            digest: digest.clone(),
            size: content.len() as u64,
            annotations: manifest.annotations,
        }))
    }
}

/// OCI distribution specification, "Referrers Tag Schema": the hex digits are cut to 64.
fn fallback_tag(subject: &Digest) -> Tag {
    format!("{}-{}", subject.algorithm().name(), &subject.hex()[..64])
        .parse()
        .expect("an algorithm, a hyphen and 64 hexadecimal digits are a tag")
}

/// Puts an index together, descriptor by descriptor, up to the limit.
struct PageBuilder {
    json: Vec<u8>,
    is_empty: bool,
}

impl PageBuilder {
    const END: &[u8] = b"]}";

    fn new() -> Self {
        let media_type = MediaType::OCI_INDEX;
        let start = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":["#);
        Self {
            json: start.into_bytes(),
            is_empty: true,
        }
    }

    /// Whether it fitted. The first one always does: a page without any would have no end.
    fn add(&mut self, referrer: &Referrer) -> bool {
        let descriptor = serde_json::to_vec(referrer).expect("texts and numbers are always JSON");
        if !self.is_empty && self.json.len() + 1 + descriptor.len() + Self::END.len() > MAX_PAGE_SIZE {
            return false;
        }
        if !self.is_empty {
            self.json.push(b',');
        }
        self.json.extend_from_slice(&descriptor);
        self.is_empty = false;
        true
    }

    fn build(mut self, next: Option<Digest>) -> ReferrersPage {
        self.json.extend_from_slice(Self::END);
        ReferrersPage {
            content: self.json.into(),
            next,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::oci::Algorithm;
    use crate::service::testing::{Fixture, artifact, bytes, descriptor, index, name, registry, sha256};

    struct Listing {
        descriptors: Vec<Value>,
        next: Option<Digest>,
        size: usize,
    }

    impl Listing {
        fn digests(&self) -> Vec<Digest> {
            self.descriptors
                .iter()
                .map(|found| found["digest"].as_str().unwrap().parse().unwrap())
                .collect()
        }
    }

    async fn list(registry: &Fixture, subject: &Digest, filter: Option<&str>, last: Option<&Digest>) -> Listing {
        let page = registry.referrers(&name("r"), subject, filter, last).await.unwrap();
        let mut json: Value = serde_json::from_slice(&page.content).unwrap();
        assert_eq!(json["schemaVersion"], 2);
        assert_eq!(json["mediaType"], "application/vnd.oci.image.index.v1+json");
        let Value::Array(descriptors) = json["manifests"].take() else {
            panic!("no manifests in {json}")
        };
        Listing {
            descriptors,
            next: page.next,
            size: page.content.len(),
        }
    }

    #[tokio::test]
    async fn an_unknown_subject_has_none() {
        let listing = list(&registry(), &sha256("subject"), None, None).await;
        assert!(listing.descriptors.is_empty() && listing.next.is_none());
    }

    #[tokio::test]
    async fn referrers_are_described_and_filtered() {
        let registry = registry();
        let subject = registry.push_image("r", "image", "{}").await;
        let sbom = registry
            .push("r", "sbom", &artifact(&subject, "application/sbom", "1"))
            .await
            .unwrap()
            .digest;
        let signature = artifact(&subject, "", "2");
        let signature = registry
            .push("r", sha256(bytes(&signature)), &signature)
            .await
            .unwrap()
            .digest;
        registry
            .push("r", "other", &artifact(&sha256("other"), "application/sbom", "3"))
            .await
            .unwrap();
        let mut list_of_lists = index(&[]);
        list_of_lists["subject"] = descriptor("application/vnd.oci.image.manifest.v1+json", &subject);
        let indexed = registry.push("r", "index", &list_of_lists).await.unwrap().digest;

        let all = list(&registry, &subject, None, None).await;
        let mut expected = vec![sbom.clone(), signature.clone(), indexed.clone()];
        expected.sort();
        assert_eq!(all.digests(), expected);
        let described = |digest: &Digest| {
            all.descriptors
                .iter()
                .find(|found| found["digest"] == digest.to_string())
                .unwrap()
        };
        let content = bytes(&artifact(&subject, "application/sbom", "1"));
        assert_eq!(
            *described(&sbom),
            serde_json::json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": sbom.to_string(),
                "size": content.len(),
                "artifactType": "application/sbom",
                "annotations": { "note": "1" },
            })
        );
        // The config's type stands in for an image's; an index has none.
        assert_eq!(
            described(&signature)["artifactType"],
            "application/vnd.oci.empty.v1+json"
        );
        assert_eq!(described(&indexed).get("artifactType"), None);
        assert_eq!(described(&indexed).get("annotations"), None);

        let filtered = async |artifact_type| list(&registry, &subject, Some(artifact_type), None).await.digests();
        assert_eq!(filtered("application/sbom").await, [sbom]);
        assert_eq!(filtered("application/vnd.oci.empty.v1+json").await, [signature]);
        assert_eq!(filtered("application/none").await, []);
    }

    #[tokio::test]
    async fn the_fallback_tag_is_read_as_well() {
        let registry = registry();
        registry.push_blob("r", "{}").await;
        for subject in [sha256("subject"), Digest::of(Algorithm::Sha512, b"subject")] {
            // Pushed to another registry, which knew of no subject: the storage has no link for it.
            let content = bytes(&artifact(&subject, "application/old", "old"));
            let old = sha256(&content);
            registry
                .storage
                .put_manifest(&name("r"), &old, content, None, &[])
                .await
                .unwrap();
            let new = registry
                .push("r", "new", &artifact(&subject, "application/new", "new"))
                .await
                .unwrap()
                .digest;
            let stranger = artifact(&sha256("another"), "application/x", "");
            let stranger = registry.push("r", "stranger", &stranger).await.unwrap().digest;
            assert_eq!(
                list(&registry, &subject, None, None).await.digests(),
                std::slice::from_ref(&new)
            );

            let tag = format!("{}-{}", subject.algorithm().name(), &subject.hex()[..64]);
            let fallback = index(&[old.clone(), new.clone(), stranger]);
            registry.push("r", &tag, &fallback).await.unwrap();
            let mut expected = vec![old.clone(), new];
            expected.sort();
            assert_eq!(list(&registry, &subject, None, None).await.digests(), expected);

            registry.delete_manifest(&name("r"), &old.into()).await.unwrap();
            assert_eq!(list(&registry, &subject, None, None).await.descriptors.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_fallback_tag_that_is_no_index_does_no_harm() {
        let registry = registry();
        let subject = sha256("subject");
        registry
            .push_image("r", &format!("sha256-{}", subject.hex()), "{}")
            .await;
        assert!(list(&registry, &subject, None, None).await.descriptors.is_empty());
    }

    #[tokio::test]
    async fn large_lists_come_in_pages() {
        let registry = registry();
        registry.push_blob("r", "{}").await;
        let subject = sha256("subject");
        let mut expected = Vec::new();
        for (kind, note) in [
            ("application/rare", "0"),
            ("application/common", "1"),
            ("application/common", "2"),
        ] {
            let manifest = artifact(&subject, kind, &note.repeat(1_500_000));
            let under = sha256(bytes(&manifest));
            expected.push(registry.push("r", under, &manifest).await.unwrap().digest);
        }
        let rare = expected[0].clone();
        expected.sort();

        let first = list(&registry, &subject, None, None).await;
        assert_eq!(
            (first.digests(), &first.next),
            (expected[..2].to_vec(), &Some(expected[1].clone()))
        );
        assert!(first.size <= MAX_PAGE_SIZE);
        let second = list(&registry, &subject, None, first.next.as_ref()).await;
        assert_eq!((second.digests(), second.next), (expected[2..].to_vec(), None));
        let filtered = list(&registry, &subject, Some("application/rare"), None).await;
        assert_eq!((filtered.digests(), filtered.next), (vec![rare], None));
    }

    #[test]
    fn one_descriptor_always_fits() {
        let huge = Referrer {
            media_type: MediaType::OCI_IMAGE,
            digest: sha256("huge"),
            size: 1,
            artifact_type: Some("x".repeat(MAX_PAGE_SIZE)),
            annotations: Default::default(),
        };
        let mut page = PageBuilder::new();
        assert!(page.add(&huge));
        assert!(!page.add(&Referrer {
            artifact_type: None,
            ..huge
        }));
    }
}
