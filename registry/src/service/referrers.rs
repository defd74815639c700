//! Referrers: what names a manifest as its subject, OCI distribution specification, "Listing Referrers".

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;

use super::{Error, Registry, Result};
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
