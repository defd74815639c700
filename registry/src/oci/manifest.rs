//! Manifests: OCI image specification `manifest.md`, `image-index.md`, and Docker's image manifest version 2, schema 2.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Descriptor, Digest, InvalidDigest, MediaType, Platform, excerpt};

/// The parts of a manifest that the registry's rules need; unknown fields are allowed, and the bytes are kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its `mediaType`, or what its shape says when it has none.
    pub media_type: MediaType,
    /// The content that it refers to.
    pub content: Content,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
    /// Its `artifactType` when that is not empty.
    pub artifact_type: Option<String>,
    /// Its `annotations`.
    pub annotations: BTreeMap<String, String>,
}

/// What a manifest refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One image, or artifact.
    Image {
        /// `config`
        config: Descriptor,
        /// `layers`, possibly none.
        layers: Vec<Descriptor>,
    },
    /// An index, or manifest list, of other manifests, possibly none.
    Index {
        /// `manifests`
        manifests: Vec<Descriptor>,
    },
}

impl Manifest {
    /// Reads a manifest. Schema 1 is recognised, and refused.
    pub fn parse(content: &[u8]) -> Result<Self, InvalidManifest> {
        let raw: RawManifest = serde_json::from_slice(content).map_err(InvalidManifest::Json)?;
        let media_type = raw.kind_fields().media_type()?;
        match &media_type {
            schema_1 if *schema_1 == MediaType::DOCKER_SCHEMA_1 || *schema_1 == MediaType::DOCKER_SCHEMA_1_SIGNED => {
                Err(InvalidManifest::Schema1)
            }
            index if *index == MediaType::OCI_INDEX || *index == MediaType::DOCKER_LIST => raw.into_index(media_type),
            image if *image == MediaType::OCI_IMAGE || *image == MediaType::DOCKER_IMAGE => raw.into_image(media_type),
            _ => Err(InvalidManifest::UnknownMediaType(media_type)),
        }
    }

    /// The media type that stored content is served as: the one inside, else what its shape says. Cheap: reads no more
    /// than it needs, and content that this registry would not accept today (schema 1) has one, too.
    pub fn media_type_of(content: &[u8]) -> Result<MediaType, InvalidManifest> {
        let fields: KindFields = serde_json::from_slice(content).map_err(InvalidManifest::Json)?;
        fields.media_type()
    }

    /// The `artifactType` that the referrers API tells: an image's config stands in for it, an index has none then.
    pub fn referrer_type(&self) -> Option<&str> {
        match (&self.artifact_type, &self.content) {
            (Some(artifact_type), _) => Some(artifact_type),
            (None, Content::Image { config, .. }) => Some(&config.media_type),
            (None, Content::Index { .. }) => None,
        }
    }
}

/// What tells one kind of manifest from another.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KindFields {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl KindFields {
    fn media_type(&self) -> Result<MediaType, InvalidManifest> {
        match (self.media_type.as_deref().unwrap_or_default(), self.schema_version) {
            ("", Some(1)) => Ok(MediaType::DOCKER_SCHEMA_1_SIGNED),
            // OCI manifests of specification 1.0 need not name their type; the shape tells, as in CNCF distribution.
            ("", Some(2)) if self.manifests.is_some() => Ok(MediaType::OCI_INDEX),
            ("", Some(2)) => Ok(MediaType::OCI_IMAGE),
            ("", version) => Err(InvalidManifest::SchemaVersion(version)),
            (media_type, _) => media_type
                .parse()
                .map_err(|_| InvalidManifest::MediaType(excerpt(media_type))),
        }
    }
}

/// A manifest as the client wrote it, of any kind. Every field may be missing, or null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    subject: Option<RawDescriptor>,
    annotations: Option<BTreeMap<String, Option<String>>>,
}

impl RawManifest {
    fn kind_fields(&self) -> KindFields {
        KindFields {
            schema_version: self.schema_version,
            media_type: self.media_type.clone(),
            manifests: self.manifests.is_some().then_some(serde::de::IgnoredAny),
        }
    }

    fn into_image(mut self, media_type: MediaType) -> Result<Manifest, InvalidManifest> {
        // A document that is an image to one reader and an index to another is refused (CVE-2021-41190).
        if self.manifests.is_some() {
            return Err(InvalidManifest::Ambiguous {
                media_type,
                field: "manifests",
            });
        }
        let config = self.config.take().ok_or(InvalidManifest::Missing("config"))?;
        let content = Content::Image {
            config: config.check("config")?,
            layers: check_all(self.layers.take(), "layers")?,
        };
        self.with(media_type, content)
    }

    fn into_index(mut self, media_type: MediaType) -> Result<Manifest, InvalidManifest> {
        let field = if self.config.is_some() {
            Some("config")
        } else {
            self.layers.is_some().then_some("layers")
        };
        if let Some(field) = field {
            return Err(InvalidManifest::Ambiguous { media_type, field });
        }
        let content = Content::Index {
            manifests: check_all(self.manifests.take(), "manifests")?,
        };
        self.with(media_type, content)
    }

    fn with(self, media_type: MediaType, content: Content) -> Result<Manifest, InvalidManifest> {
        if self.schema_version != Some(2) {
            return Err(InvalidManifest::SchemaVersion(self.schema_version));
        }
        let subject = self.subject.map(|subject| subject.check("subject")).transpose()?;
        let annotations = self.annotations.unwrap_or_default().into_iter();
        Ok(Manifest {
            media_type,
            content,
            subject: subject.map(|subject| subject.digest),
            artifact_type: self.artifact_type.filter(|text| !text.is_empty()),
            annotations: annotations
                .map(|(key, value)| (key, value.unwrap_or_default()))
                .collect(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: Option<String>,
    digest: Option<String>,
    size: Option<u64>,
    urls: Option<Vec<String>>,
    platform: Option<Platform>,
}

impl RawDescriptor {
    /// `field`: where the manifest has it, e.g. `layers[2]`.
    fn check(self, field: impl Into<String>) -> Result<Descriptor, InvalidManifest> {
        let field = field.into();
        match self.digest.unwrap_or_default().parse() {
            Err(source) => Err(InvalidManifest::Digest { field, source }),
            Ok(digest) => Ok(Descriptor {
                media_type: self.media_type.unwrap_or_default(),
                digest,
                size: self.size.unwrap_or_default(),
                urls: self.urls.unwrap_or_default(),
                platform: self.platform,
            }),
        }
    }
}

fn check_all(raw: Option<Vec<RawDescriptor>>, field: &str) -> Result<Vec<Descriptor>, InvalidManifest> {
    let numbered = raw.unwrap_or_default().into_iter().enumerate();
    numbered
        .map(|(i, descriptor)| descriptor.check(format!("{field}[{i}]")))
        .collect()
}

/// Why content is no manifest that this registry takes.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// Not JSON, or a field of another type than specified.
    #[error("the manifest is not valid JSON of the form specified: {0}")]
    Json(#[source] serde_json::Error),
    /// Docker's image manifest version 2, schema 1.
    #[error(
        "manifests of schema version 1 are not supported, push the image again with a client that is not older than Docker 1.10"
    )]
    Schema1,
    /// `schemaVersion` is neither 1 nor 2.
    #[error("`schemaVersion` of a manifest is 2, this one has {}", .0.map_or("none".to_owned(), |version| version.to_string()))]
    SchemaVersion(Option<u64>),
    /// `mediaType` is no media type.
    #[error("`mediaType` of the manifest is `{0}`, which is no media type")]
    MediaType(String),
    /// `mediaType` is not one of the four that are accepted.
    #[error("manifests of type {0} are not supported, use one of {oci_image}, {oci_index}, {docker_image}, {docker_list}",
        oci_image = MediaType::OCI_IMAGE, oci_index = MediaType::OCI_INDEX,
        docker_image = MediaType::DOCKER_IMAGE, docker_list = MediaType::DOCKER_LIST)]
    UnknownMediaType(MediaType),
    /// A field of one kind of manifest in another.
    #[error("a manifest of type {media_type} has no `{field}`, this one has; it would be read as two different things")]
    Ambiguous {
        /// The media type that the manifest has.
        media_type: MediaType,
        /// The field of the other kind.
        field: &'static str,
    },
    /// A field that must be there.
    #[error("the manifest has no `{0}`")]
    Missing(&'static str),
    /// A descriptor without a digest that this registry can verify.
    #[error("`{field}.digest` of the manifest: {source}")]
    Digest {
        /// The descriptor, e.g. `layers[2]`.
        field: String,
        /// What is wrong with it.
        source: InvalidDigest,
    },
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
