//! Which keys sign tokens that are believed.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use lockgate_config::ExternalTokens;
use serde::Deserialize;
use x509_parser::pem::Pem;

use super::chain;
use super::jws::Header;
use super::public_key::{Jwk, PublicKey, libtrust_id};
use super::signing_key::SigningKey;

/// Distribution's default set without the HS ones: what verifies must not be able to sign.
const ALGORITHMS: [&str; 10] = [
    "EdDSA", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
];

/// Keys by the names that tokens may give them, certificates, and algorithms.
pub(in crate::auth) struct Trust {
    keys: HashMap<String, PublicKey>,
    /// DER.
    bundle: Vec<Vec<u8>>,
    algorithms: Vec<String>,
}

/// Why an external token server cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read.
    #[error("{key}: {path}: {source}", path = path.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{key}: {path}: {reason}", path = path.display())]
    Content {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// HS256 and its like.
    #[error(
        "auth.token.signingalgorithms: {0} takes a shared secret, which is refused: use an ES, RS, PS or EdDSA one"
    )]
    Algorithm(String),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

impl Trust {
    /// What `auth.token` says.
    pub(in crate::auth) fn external(tokens: &ExternalTokens) -> Result<Self, TrustError> {
        if let Some(other) = tokens
            .signing_algorithms
            .iter()
            .find(|name| !ALGORITHMS.contains(&name.as_str()))
        {
            return Err(TrustError::Algorithm(other.clone()));
        }
        let algorithms = match tokens.signing_algorithms.as_slice() {
            [] => ALGORITHMS.map(str::to_owned).to_vec(),
            some => some.to_vec(),
        };
        let mut trust = Self {
            keys: HashMap::new(),
            bundle: Vec::new(),
            algorithms,
        };
        if let Some(path) = &tokens.root_cert_bundle {
            trust.add_bundle(path)?;
        }
        if let Some(path) = &tokens.jwks {
            trust.add_jwks(path)?;
        }
        Ok(trust)
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

    fn add_bundle(&mut self, path: &Path) -> Result<(), TrustError> {
        const KEY: &str = "auth.token.rootcertbundle";
        let bytes = read(KEY, path)?;
        let wrong = |reason: &str| TrustError::Content {
            key: KEY,
            path: path.into(),
            reason: reason.to_owned(),
        };
        for pem in Pem::iter_from_buffer(&bytes) {
            let pem = pem.map_err(|error| wrong(&format!("no well-formed PEM: {error}")))?;
            if pem.label != "CERTIFICATE" {
                continue;
            }
            let certificate = chain::parse(&pem.contents).ok_or_else(|| wrong("a certificate in it is malformed"))?;
            let spki = certificate.public_key();
            if let Some(key) = PublicKey::from_certificate(spki) {
                self.keys.insert(libtrust_id(spki.raw), key.clone());
                self.keys.insert(key.thumbprint(), key);
            }
            self.bundle.push(pem.contents.clone());
        }
        if self.bundle.is_empty() {
            Err(wrong("holds no certificate"))
        } else {
            Ok(())
        }
    }

    fn add_jwks(&mut self, path: &Path) -> Result<(), TrustError> {
        const KEY: &str = "auth.token.jwks";
        let bytes = read(KEY, path)?;
        let wrong = |reason: String| TrustError::Content {
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

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TrustError> {
    fs::read(path).map_err(|source| TrustError::File {
        key,
        path: path.into(),
        source,
    })
}
