//! Descriptors, OCI image specification, `descriptor.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, MediaType};

/// What a manifest says about something that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// As written: producers of artifacts put anything here, so it is a text and not a [`MediaType`].
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// Bytes, 0 when the manifest does not say.
    pub size: u64,
    /// Where else it can be had; layers that may not be distributed have some.
    pub urls: Vec<String>,
    /// In an index: what the image runs on.
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Whether it is a layer that the registry need not have: one that may not be distributed and has an own address.
    pub fn is_elsewhere(&self) -> bool {
        const NONDISTRIBUTABLE: [&str; 5] = [
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ];
        !self.urls.is_empty() && NONDISTRIBUTABLE.contains(&self.media_type.as_str())
    }
}

/// What an image runs on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// The operating system, as Go's GOOS names it.
    #[serde(default)]
    pub os: String,
    /// The architecture, as Go's GOARCH names it.
    #[serde(default)]
    pub architecture: String,
}

/// A descriptor as the referrers API lists it, OCI distribution specification, "Listing Referrers".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// The media type of the manifest.
    #[serde(serialize_with = "as_text")]
    pub media_type: MediaType,
    /// The digest of the manifest.
    #[serde(serialize_with = "as_text")]
    pub digest: Digest,
    /// How many bytes the manifest has.
    pub size: u64,
    /// The manifest's `artifactType`, or its config's media type; an index may have neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The annotations of the manifest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;

    #[test]
    fn only_nondistributable_layers_with_an_address_are_elsewhere() {
        let layer = |media_type: &str, urls: &[&str]| Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(Algorithm::Sha256, b""),
            size: 0,
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            platform: None,
        };
        let url = &["https://example.com/layer"];
        assert!(layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", url).is_elsewhere());
        assert!(layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", url).is_elsewhere());
        assert!(!layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", &[]).is_elsewhere());
        assert!(!layer("application/vnd.oci.image.layer.v1.tar+gzip", url).is_elsewhere());
    }
}
