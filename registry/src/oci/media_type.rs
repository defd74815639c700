//! Media types, RFC 6838 section 4.2.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::excerpt;

/// `type/subtype`, as written but without parameters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Cow<'static, str>);

impl MediaType {
    /// OCI image manifest.
    pub const OCI_IMAGE: Self = Self::known("application/vnd.oci.image.manifest.v1+json");
    /// OCI image index.
    pub const OCI_INDEX: Self = Self::known("application/vnd.oci.image.index.v1+json");
    /// Docker image manifest, schema 2.
    pub const DOCKER_IMAGE: Self = Self::known("application/vnd.docker.distribution.manifest.v2+json");
    /// Docker manifest list.
    pub const DOCKER_LIST: Self = Self::known("application/vnd.docker.distribution.manifest.list.v2+json");
    /// Docker image manifest, schema 1, unsigned.
    pub const DOCKER_SCHEMA_1: Self = Self::known("application/vnd.docker.distribution.manifest.v1+json");
    /// Docker image manifest, schema 1, signed.
    pub const DOCKER_SCHEMA_1_SIGNED: Self = Self::known("application/vnd.docker.distribution.manifest.v1+prettyjws");

    const KNOWN: [Self; 6] = [
        Self::OCI_IMAGE,
        Self::OCI_INDEX,
        Self::DOCKER_IMAGE,
        Self::DOCKER_LIST,
        Self::DOCKER_SCHEMA_1,
        Self::DOCKER_SCHEMA_1_SIGNED,
    ];

    /// RFC 6838: each name has 127 characters at most.
    const MAX_NAME_LENGTH: usize = 127;

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The media type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaType {
    type Err = InvalidMediaType;

    /// Parameters (`; charset=utf-8`) are dropped: the OCI distribution specification has registries ignore them. The
    /// known types are known in any case (RFC 9110 section 8.3.1).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let essence = text.split_once(';').map_or(text, |(essence, _)| essence).trim();
        // The known ones cost no allocation; they are what nearly every request names.
        if let Some(known) = Self::KNOWN
            .iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(essence))
        {
            return Ok(known.clone());
        }
        match essence.split_once('/') {
            Some((kind, subtype)) if is_restricted_name(kind) && is_restricted_name(subtype) => {
                Ok(Self(Cow::Owned(essence.to_owned())))
            }
            _ => Err(InvalidMediaType(excerpt(essence))),
        }
    }
}

/// RFC 6838 section 4.2, `restricted-name`.
fn is_restricted_name(name: &str) -> bool {
    let follows = |b: &u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(b);
    name.len() <= MediaType::MAX_NAME_LENGTH
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && name.as_bytes().iter().all(follows)
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no media type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no media type, it is written type/subtype")]
pub struct InvalidMediaType(String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_dropped() {
        for text in [
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
            " application/vnd.oci.image.manifest.v1+json ;",
            "Application/vnd.OCI.image.manifest.v1+JSON",
        ] {
            assert_eq!(text.parse(), Ok(MediaType::OCI_IMAGE), "{text}");
        }
    }

    #[test]
    fn what_rfc_6838_forbids_is_refused() {
        for text in [
            "",
            "/",
            "a/",
            "/b",
            "application",
            "a/b/c",
            "a b/c",
            ".a/b",
            "a/ä",
            "a/b,c/d",
        ] {
            assert!(text.parse::<MediaType>().is_err(), "{text:?}");
        }
        assert!(format!("a/{}", "b".repeat(127)).parse::<MediaType>().is_ok());
        assert!(format!("a/{}", "b".repeat(128)).parse::<MediaType>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(text in "[a-z0-9][a-z0-9.+-]{0,30}/[a-zA-Z0-9][a-z0-9!#$&^_.+-]{0,30}") {
            let media_type: MediaType = text.parse().unwrap();
            prop_assert_eq!(media_type.to_string(), text);
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = text.parse::<MediaType>();
        }
    }
}
