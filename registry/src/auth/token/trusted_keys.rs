//! The keys and certificates that a token may be signed with.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use lockgate_config::{ExternalTokens, text};
use serde::Deserialize;
use x509_parser::pem::Pem;

use super::chain;
use super::jws::Header;
use super::public_key::{Jwk, PublicKey, libtrust_id};
use super::signing_key::SigningKey;
use crate::read_error::reason;

/// Distribution's default set without the HS ones: what verifies must not be able to sign.
const ALGORITHMS: [&str; 10] = [
    "EdDSA", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
];

/// Keys by the names that tokens may give them, certificates, and algorithms.
pub(in crate::auth) struct TrustedKeys {
    keys: HashMap<String, PublicKey>,
    /// Certificates of `auth.token.rootcertbundle`, DER.
    bundle: Vec<Vec<u8>>,
    algorithms: Vec<String>,
}

/// Why an external token server cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustedKeysError {
    /// A file cannot be read.
    #[error("{key}: {path}: {reason}", path = path.display(), reason = reason(path, source))]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file that cannot be read.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{key}: {path}: {reason}", path = path.display())]
    Content {
        /// The key that names it.
        key: &'static str,
        /// The file that holds something else.
        path: PathBuf,
        /// What the file should hold and does not.
        reason: String,
    },
    /// An algorithm whose key is a shared secret, such as HS256.
    #[error(
        "auth.token.signingalgorithms: {0} takes a shared secret, which is refused: use an ES, RS, PS or EdDSA one"
    )]
    Algorithm(String),
}

/// Whether the files that `auth.token` names hold keys that tokens can be verified with.
pub fn check_external_tokens(tokens: &ExternalTokens) -> Result<(), TrustedKeysError> {
    TrustedKeys::external(tokens).map(drop)
}

/// What a token server has to change.
const TOO_SHORT: &str = "its RSA key has fewer than 2048 bits, and tokens signed with it are not believed";

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

impl TrustedKeys {
    /// The keys, certificates and algorithms that `auth.token` names.
    pub(in crate::auth) fn external(tokens: &ExternalTokens) -> Result<Self, TrustedKeysError> {
        if let Some(other) = tokens
            .signing_algorithms
            .iter()
            .find(|name| !ALGORITHMS.contains(&name.as_str()))
        {
            return Err(TrustedKeysError::Algorithm(other.clone()));
        }
        let algorithms = match tokens.signing_algorithms.as_slice() {
            [] => ALGORITHMS.map(str::to_owned).to_vec(),
            some => some.to_vec(),
        };
        let mut trusted = Self {
            keys: HashMap::new(),
            bundle: Vec::new(),
            algorithms,
        };
        if let Some(path) = &tokens.root_cert_bundle {
            trusted.add_bundle(path)?;
        }
        if let Some(path) = &tokens.jwks {
            trusted.add_jwks(path)?;
        }
        Ok(trusted)
    }

    /// One key of one's own.
    pub(in crate::auth) fn own(key: &SigningKey) -> Self {
        let keys = HashMap::from([(key.kid().to_owned(), key.public().clone())]);
        Self {
            keys,
            bundle: Vec::new(),
            algorithms: vec!["ES256".to_owned()],
        }
    }

    fn add_bundle(&mut self, path: &Path) -> Result<(), TrustedKeysError> {
        const KEY: &str = "auth.token.rootcertbundle";
        let bytes = read_key_file(KEY, path)?;
        let wrong = |reason: &str| TrustedKeysError::Content {
            key: KEY,
            path: path.into(),
            reason: reason.to_owned(),
        };
        let mut too_short = 0;
        for pem in Pem::iter_from_buffer(&bytes) {
            let pem = pem.map_err(|error| wrong(&format!("no well-formed PEM: {error}")))?;
            if pem.label != "CERTIFICATE" {
                continue;
            }
            let certificate =
                chain::parse_certificate(&pem.contents).ok_or_else(|| wrong("a certificate in it is malformed"))?;
            let spki = certificate.public_key();
            if let Some(key) = PublicKey::from_certificate(spki) {
                too_short += usize::from(key.is_too_short());
                self.keys.insert(libtrust_id(spki.raw), key.clone());
                self.keys.insert(key.thumbprint(), key);
            }
            self.bundle.push(pem.contents.clone());
        }
        match self.bundle.len() {
            0 => Err(wrong("holds no certificate")),
            all if all == too_short => Err(wrong(TOO_SHORT)),
            _ => Ok(()),
        }
    }

    fn add_jwks(&mut self, path: &Path) -> Result<(), TrustedKeysError> {
        const KEY: &str = "auth.token.jwks";
        let bytes = read_key_file(KEY, path)?;
        let wrong = |reason: String| TrustedKeysError::Content {
            key: KEY,
            path: path.into(),
            reason,
        };
        let set: Jwks =
            serde_json::from_slice(&bytes).map_err(|error| wrong(format!("no JSON Web Key Set: {error}")))?;
        let before = self.keys.len();
        for jwk in set.keys {
            let Some(key) = jwk.public_key() else {
                tracing::warn!(path = %path.display(), kid = jwk.kid, "{KEY}: a key of a kind that is not understood is left out");
                continue;
            };
            if key.is_too_short() {
                tracing::warn!(path = %path.display(), kid = jwk.kid, "{KEY}: {TOO_SHORT}; it is left out");
                continue;
            }
            self.keys.insert(key.thumbprint(), key.clone());
            self.keys.extend(jwk.kid.map(|kid| (kid, key)));
        }
        if self.keys.len() == before {
            Err(wrong("holds no public key".to_owned()))
        } else {
            Ok(())
        }
    }

    /// The key that a token with this header is to be checked with: by its certificates, by the key it holds, or by
    /// the key's name, in distribution's order.
    pub(super) fn key(&self, header: &Header, now: i64) -> Option<PublicKey> {
        if !self.algorithms.contains(&header.alg) {
            return None;
        }
        if let Some(x5c) = &header.x5c {
            return chain::leaf_key(x5c, &self.bundle, now);
        }
        if let Some(jwk) = &header.jwk {
            let key = jwk.public_key()?;
            return match &jwk.x5c {
                Some(x5c) => chain::leaf_key(x5c, &self.bundle, now).filter(|leaf| *leaf == key),
                // Whatever it calls itself: it must be a known one.
                None => self.keys.values().any(|known| *known == key).then_some(key),
            };
        }
        self.keys.get(header.kid.as_ref()?).cloned()
    }
}

fn read_key_file(key: &'static str, path: &Path) -> Result<Vec<u8>, TrustedKeysError> {
    match fs::read(path) {
        Ok(bytes) if text::is_utf16(&bytes) => Err(TrustedKeysError::Content {
            key,
            path: path.into(),
            reason: "UTF-16, as Windows PowerShell's > writes it; save the file as UTF-8".to_owned(),
        }),
        Ok(bytes) => Ok(text::without_mark(&bytes).to_vec()),
        Err(source) => Err(TrustedKeysError::File {
            key,
            path: path.into(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed certificate of an RSA key with 1024 bits.
    const RSA_1024: &str = "\
-----BEGIN CERTIFICATE-----
MIICHDCCAYWgAwIBAgIUA/q8Eg3L63TRzHQ6JNJK1mPA5DcwDQYJKoZIhvcNAQEL
BQAwFDESMBAGA1UEAwwJYS5leGFtcGxlMCAXDTI2MTEyNzIwNDcxNVoYDzIxMjYx
MTAzMjA0NzE1WjAUMRIwEAYDVQQDDAlhLmV4YW1wbGUwgZ8wDQYJKoZIhvcNAQEB
BQADgY0AMIGJAoGBAM8KuaOazsp/nQWiin3Zau9k88Aj56yOK77Mo2s3z77SmbS2
PAFDjlY/RtHSa3nJ4Fm0wAHy4cF8eWW2ckIDfB/ITYGJ3JSH+eJrJOHJyzfu0oYm
RdFah9gBdSPlp27hqTYVhhPAYwYN7re1Cv53HpargsosE47GiK0V6EPjyh7HAgMB
AAGjaTBnMB0GA1UdDgQWBBR0d0oq9EAbPdPHh6hoc3d7S7vklTAfBgNVHSMEGDAW
gBR0d0oq9EAbPdPHh6hoc3d7S7vklTAPBgNVHRMBAf8EBTADAQH/MBQGA1UdEQQN
MAuCCWEuZXhhbXBsZTANBgkqhkiG9w0BAQsFAAOBgQA58aRZHbxuxF4oaB+E09Tr
H9wJXBA9rvcJgEzPaz4xQAt8DN9l0/+2UIpACi4rqb2/fVtNOawA72qVvftA3G/k
76d0h33oKMcBp5cyOZrrswUdpnP8bCWmd+6WYaeVBNQt4gvfdGHLXxrcLzNLfaqT
ZLPa2qEDJDn/PsKmbrKwIQ==
-----END CERTIFICATE-----
";

    fn external(path: &Path, of_bundle: bool) -> Result<(), String> {
        let tokens = ExternalTokens {
            realm: "https://auth.example/auth".into(),
            service: "service".into(),
            issuer: "issuer".into(),
            root_cert_bundle: of_bundle.then(|| path.into()),
            jwks: (!of_bundle).then(|| path.into()),
            signing_algorithms: Vec::new(),
            auto_redirect: false,
            auto_redirect_path: "/auth/token".into(),
        };
        TrustedKeys::external(&tokens)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_short_rsa_key_is_told_before_every_token_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bundle");
        std::fs::write(&path, RSA_1024).unwrap();
        assert!(external(&path, true).unwrap_err().contains("fewer than 2048 bits"));
        let rsa = |bits: usize| {
            let n = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, vec![0xff; bits / 8]);
            format!(r#"{{"keys":[{{"kty":"RSA","n":"{n}","e":"AQAB"}}]}}"#)
        };
        std::fs::write(&path, rsa(1024)).unwrap();
        assert!(external(&path, false).unwrap_err().contains("no public key"));
        std::fs::write(&path, rsa(2048)).unwrap();
        external(&path, false).unwrap();
    }

    /// A byte order mark, or UTF-16.
    #[test]
    fn what_windows_editors_saved_is_read_or_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let jwks = SigningKey::open(&directory.path().join("key")).unwrap().jwks();
        for (text, of_bundle) in [(RSA_1024, true), (&jwks, false)] {
            std::fs::write(&path, format!("\u{feff}{text}")).unwrap();
            // The certificate is read, so that its key is found too short.
            let expected = of_bundle.then_some("2048 bits");
            match (external(&path, of_bundle), expected) {
                (Err(error), Some(expected)) => assert!(error.contains(expected), "{error}"),
                (read, _) => read.unwrap(),
            }
            let marked = format!("\u{feff}{text}");
            let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
            std::fs::write(&path, wide).unwrap();
            assert!(external(&path, of_bundle).unwrap_err().contains("UTF-16"));
        }
        let key = directory.path().join("key");
        let pem = fs::read_to_string(&key).unwrap();
        fs::write(&key, format!("\u{feff}{pem}")).unwrap();
        assert_eq!(SigningKey::open(&key).unwrap().jwks(), jwks);
    }
}
