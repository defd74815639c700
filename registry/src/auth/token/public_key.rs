//! Public keys of token servers, and the signatures that they make.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use x509_parser::oid_registry as oid;
use x509_parser::public_key::PublicKey as X509Key;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A key that signatures are checked with. Its kind and the token's `alg` must fit: a public key is never a shared secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// The point in X9.62's uncompressed form.
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
    /// Big-endian, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ed25519(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// How many bytes a coordinate has.
    fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn algorithm(self) -> (&'static str, &'static EcdsaVerificationAlgorithm) {
        match self {
            Self::P256 => ("ES256", &signature::ECDSA_P256_SHA256_FIXED),
            Self::P384 => ("ES384", &signature::ECDSA_P384_SHA384_FIXED),
            Self::P521 => ("ES512", &signature::ECDSA_P521_SHA512_FIXED),
        }
    }
}

const LEAST_RSA_BITS: usize = 2048;

/// RFC 7518 sections 3.3 and 3.5; keys of 2048 bits and more.
fn rsa_algorithm(alg: &str) -> Option<&'static RsaParameters> {
    Some(match alg {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

impl PublicKey {
    /// Whether `signature` over `message` is this key's, made with `alg`.
    pub(super) fn verify(&self, alg: &str, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ec { curve, point } => {
                let (name, algorithm) = curve.algorithm();
                alg == name
                    && UnparsedPublicKey::new(algorithm, point)
                        .verify(message, signature)
                        .is_ok()
            }
            Self::Rsa { n, e } => rsa_algorithm(alg).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }
                    .verify(parameters, message, signature)
                    .is_ok()
            }),
            Self::Ed25519(key) => {
                alg == "EdDSA"
                    && UnparsedPublicKey::new(&signature::ED25519, key)
                        .verify(message, signature)
                        .is_ok()
            }
        }
    }

    /// Whether it is an RSA key that no signature is verified with.
    pub(super) fn is_too_short(&self) -> bool {
        match self {
            Self::Rsa { n, .. } => {
                let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
                bits < LEAST_RSA_BITS
            }
            Self::Ec { .. } | Self::Ed25519(_) => false,
        }
    }

    /// The key as a JWK: the members that its thumbprint takes, sorted, without spaces (RFC 7638 section 3).
    pub(super) fn to_jwk(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec { curve, point } => {
                let (x, y) = point[1..].split_at(curve.size());
                format!(
                    r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                    curve.name(),
                    text(x),
                    text(y)
                )
            }
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Self::Ed25519(key) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(key)),
        }
    }

    /// The SHA-256 of the JWK (RFC 7638), which tokens name keys by.
    pub(super) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.to_jwk().as_bytes()))
    }

    /// A certificate's key, when it is of a kind that signs tokens.
    pub(super) fn from_certificate(spki: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        if spki.algorithm.algorithm == oid::OID_SIG_ED25519 {
            return Some(Self::Ed25519(spki.subject_public_key.data.to_vec()));
        }
        match spki.parsed().ok()? {
            X509Key::RSA(key) => Some(Self::Rsa {
                n: trimmed(key.modulus),
                e: trimmed(key.exponent),
            }),
            X509Key::EC(point) => {
                let parameters = spki.algorithm.parameters.as_ref()?.as_oid().ok()?;
                let curve = if parameters == oid::OID_EC_P256 {
                    Curve::P256
                } else if parameters == oid::OID_NIST_EC_P384 {
                    Curve::P384
                } else if parameters == oid::OID_NIST_EC_P521 {
                    Curve::P521
                } else {
                    return None;
                };
                Self::ec(curve, point.data().to_vec())
            }
            _ => None,
        }
    }

    /// The key with that point; `None` when it has another form or size.
    pub(super) fn ec(curve: Curve, point: Vec<u8>) -> Option<Self> {
        (point.len() == 1 + 2 * curve.size() && point[0] == 4).then_some(Self::Ec { curve, point })
    }
}

fn trimmed(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// libtrust's key id, which distribution 2 and docker_auth know keys by: the first 240 bits of the SHA-256 of the
/// SubjectPublicKeyInfo, in base32, in twelve groups of four.
pub(super) fn libtrust_id(spki: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let sum = digest(&SHA256, spki);
    let mut text = String::with_capacity(59);
    for (number, five_bytes) in sum.as_ref()[..30].chunks(5).enumerate() {
        let bits = five_bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for character in 0..8 {
            if character % 4 == 0 && (number, character) != (0, 0) {
                text.push(':');
            }
            text.push(char::from(ALPHABET[(bits >> (35 - 5 * character)) as usize & 31]));
        }
    }
    text
}

/// A key as RFC 7517 writes it, in a set or in a token's header.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Jwk {
    pub(super) kid: Option<String>,
    pub(super) x5c: Option<Vec<String>>,
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    /// The public key; `None` for kinds that are not understood, shared secrets among them.
    pub(super) fn public_key(&self) -> Option<PublicKey> {
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?.trim_end_matches('=')).ok();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(PublicKey::Rsa {
                n: trimmed(&bytes(&self.n)?),
                e: trimmed(&bytes(&self.e)?),
            }),
            ("OKP", Some("Ed25519")) => Some(PublicKey::Ed25519(bytes(&self.x)?)),
            ("EC", Some(name)) => {
                let curve = [Curve::P256, Curve::P384, Curve::P521]
                    .into_iter()
                    .find(|curve| curve.name() == name)?;
                let mut point = vec![4];
                for coordinate in [bytes(&self.x)?, bytes(&self.y)?] {
                    // Some writers leave leading zeros out, against RFC 7518 section 6.2.1.2.
                    point.resize(point.len() + curve.size().checked_sub(coordinate.len())?, 0);
                    point.extend(coordinate);
                }
                PublicKey::ec(curve, point)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_thumbprint_is_rfc_7638s_own() {
        // Section 3.1's example.
        let jwk: Jwk = serde_json::from_value(json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        })).unwrap();
        assert_eq!(
            jwk.public_key().unwrap().thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn shared_secrets_and_unknown_kinds_are_no_public_keys() {
        for jwk in [
            json!({"kty": "oct", "k": "AAAA"}),
            json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
            json!({"kty": "EC", "crv": "P-256", "x": "AA"}),
            json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([1; 33]), "y": "AA"}),
            json!({"kty": "RSA", "n": "!", "e": "AQAB"}),
        ] {
            assert_eq!(
                serde_json::from_value::<Jwk>(jwk.clone()).unwrap().public_key(),
                None,
                "{jwk}"
            );
        }
    }

    #[test]
    fn libtrust_ids_have_twelve_groups_of_four() {
        let id = libtrust_id(b"key");
        assert_eq!(id.split(':').map(str::len).collect::<Vec<_>>(), [4; 12]);
        // sha256("key")[:5] = 2c70e12b7a
        assert!(id.starts_with("FRYO:CK32:"), "{id}");
    }
}
