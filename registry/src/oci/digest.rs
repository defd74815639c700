//! Content digests, OCI image specification, `descriptor.md#digests`.

use std::fmt;
use std::str::FromStr;

use super::excerpt;

/// A registered hash algorithm that this registry verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal digits.
    Sha256,
    /// SHA-512, 128 hexadecimal digits.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the encoded part, in hexadecimal digits.
    pub fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(InvalidDigest::UnsupportedAlgorithm(excerpt(text))),
        }
    }
}

/// `algorithm:hex`, lower case, of the algorithm's exact length.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// From the raw bytes that a hash function gave.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Self {
        use fmt::Write as _;
        debug_assert_eq!(bytes.len() * 2, algorithm.hex_length());
        let mut hex = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Self {
            algorithm,
            hex: hex.into_boxed_str(),
        }
    }

    /// The digest of `content`.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        use sha2::Digest as _;
        match algorithm {
            Algorithm::Sha256 => Self::from_bytes(algorithm, &sha2::Sha256::digest(content)),
            Algorithm::Sha512 => Self::from_bytes(algorithm, &sha2::Sha512::digest(content)),
        }
    }

    /// The part before the colon.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The part after the colon.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (algorithm, hex) = text
            .split_once(':')
            .ok_or_else(|| InvalidDigest::NoColon(excerpt(text)))?;
        let algorithm: Algorithm = algorithm.parse()?;
        if hex.len() != algorithm.hex_length() || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidDigest::Encoded {
                algorithm: algorithm.name(),
                length: algorithm.hex_length(),
            });
        }
        Ok(Self {
            algorithm,
            hex: hex.into(),
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// The text has no `:` between algorithm and digits.
    #[error("a digest is written algorithm:hex, `{0}` has no colon")]
    NoColon(String),
    /// The algorithm is neither sha256 nor sha512.
    #[error("digest algorithm `{0}` is not supported, use sha256 or sha512")]
    UnsupportedAlgorithm(String),
    /// The digits are too many, too few, or not lower-case hexadecimal.
    #[error("a {algorithm} digest has {length} lower-case hexadecimal digits after the colon")]
    Encoded {
        /// The algorithm named.
        algorithm: &'static str,
        /// Its length in hexadecimal digits.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_content() {
        // FIPS 180-4's example, "abc".
        let sha256 = Digest::of(Algorithm::Sha256, b"abc");
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((sha256.to_string().as_str(), sha256.hex()), (text, &text[7..]));
        assert_eq!(text.parse(), Ok(sha256));
        let sha512 = Digest::of(Algorithm::Sha512, b"abc");
        assert!(
            sha512
                .to_string()
                .starts_with("sha512:ddaf35a193617abacc417349ae204131")
        );
        assert_eq!(sha512.to_string().parse(), Ok(sha512));
    }

    #[test]
    fn each_mistake_is_told_apart() {
        let parse = |text: &str| text.parse::<Digest>();
        let (short, long) = ("a".repeat(64), "a".repeat(128));
        assert!(matches!(parse(""), Err(InvalidDigest::NoColon(_))));
        assert!(matches!(parse(&short), Err(InvalidDigest::NoColon(_))));
        for algorithm in ["sha384", "SHA256", "sha256 ", "", "md5", "sha256+b64"] {
            let parsed = parse(&format!("{algorithm}:{short}"));
            assert_eq!(parsed, Err(InvalidDigest::UnsupportedAlgorithm(algorithm.to_owned())));
        }
        for text in [
            "sha256:".to_owned(),
            "sha256:baddigeststring".to_owned(),
            format!("sha256:{long}"),
            format!("sha512:{short}"),
            format!("sha256:{}", short.to_uppercase()),
            format!("sha256:{}:", &short[1..]),
            format!("sha256:../{}", &short[3..]),
            format!("sha256:{}é", &short[2..]),
        ] {
            assert!(matches!(parse(&text), Err(InvalidDigest::Encoded { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_digest_of_anything_parses_back(content: Vec<u8>) {
            for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
                let digest = Digest::of(algorithm, &content);
                prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            }
        }

        #[test]
        fn what_parses_is_printed_as_it_was(text in "(sha256|sha512|.{0,5}):?([0-9a-f]{63,65}|[0-9a-f]{128}|.*)") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
