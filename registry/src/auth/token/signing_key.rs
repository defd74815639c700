//! The key that the built-in token server signs with: EC P-256, in a file of its own.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use aws_lc_rs::{hkdf, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lockgate_config::text;
use lockgate_files::{Existing, WriteError, write_private};
use x509_parser::pem::Pem;

use super::public_key::{Curve, PublicKey, libtrust_id};
use crate::read_error::reason;
pub(in crate::auth) struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    kid: String,
    libtrust_id: String,
    /// For fingerprints of passwords: the same in every process that has the key, and nowhere else.
    fingerprints: hmac::Key,
}

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read, or not be made.
    #[error("auth.issuer.key: {path}: {reason}", path = path.display(), reason = reason(path, source))]
    File {
        /// The file that `auth.issuer.key` names.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file holds something else than such a key.
    #[error(
        "auth.issuer.key: {path}: expected an EC P-256 private key in PEM; remove the file to have one made",
        path = path.display()
    )]
    Content {
        /// The file that `auth.issuer.key` names.
        path: PathBuf,
    },
}

/// Makes the key unless it is there: who reads it need not be able to write beside it.
pub fn ensure_token_key(path: &Path) -> Result<(), KeyError> {
    SigningKey::open(path).map(drop)
}

/// Whether the file holds a key that tokens can be signed with; nothing is made.
pub fn check_token_key(path: &Path) -> Result<(), KeyError> {
    let pem = fs::read(path).map_err(|source| KeyError::File {
        path: path.into(),
        source,
    })?;
    SigningKey::from_pem(&pem)
        .map(drop)
        .ok_or_else(|| KeyError::Content { path: path.into() })
}

impl SigningKey {
    /// Reads the key; makes one, for its owner alone, when there is none.
    pub(in crate::auth) fn open(path: &Path) -> Result<Self, KeyError> {
        let file = |source| KeyError::File {
            path: path.into(),
            source,
        };
        let pem = match fs::read(path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(file)?;
                fs::read(path).map_err(file)?
            }
            Err(source) => return Err(file(source)),
        };
        let mode = fs::metadata(path).map_err(file)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "auth.issuer.key: others can read the token key; `chmod 600` it");
        }
        Self::from_pem(&pem).ok_or_else(|| KeyError::Content { path: path.into() })
    }

    /// PKCS #8, or SEC 1 as `openssl ecparam -genkey` writes it (with its parameters before it).
    fn from_pem(pem: &[u8]) -> Option<Self> {
        Pem::iter_from_buffer(text::without_mark(pem))
            .filter_map(Result::ok)
            .find_map(|pem| {
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = match pem.label.as_str() {
                    "PRIVATE KEY" => EcdsaKeyPair::from_pkcs8(algorithm, &pem.contents).ok()?,
                    "EC PRIVATE KEY" => EcdsaKeyPair::from_private_key_der(algorithm, &pem.contents).ok()?,
                    _ => return None,
                };
                Self::of(pair, &pem.contents)
            })
    }

    fn of(pair: EcdsaKeyPair, private: &[u8]) -> Option<Self> {
        let public = PublicKey::ec(Curve::P256, pair.public_key().as_ref().to_vec())?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"lockgate").extract(private);
        let mut fingerprints = [0; 32];
        secret
            .expand(&[b"credential fingerprints"], hkdf::HKDF_SHA256)
            .ok()?
            .fill(&mut fingerprints)
            .ok()?;
        Some(Self {
            kid: public.thumbprint(),
            libtrust_id: libtrust_id(spki.as_ref()),
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, &fingerprints),
            public,
            pair,
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let signature = self.pair.sign(&rand::SystemRandom::new(), message)?;
        Ok(signature.as_ref().to_vec())
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The name of the key: its thumbprint (RFC 7638).
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// A token's header. `KID` is for distribution 2 alone: it knows keys by libtrust's id, and its JSON parser takes the
    /// last member of a name in any case. To everybody else it is an unknown member, to be ignored (RFC 7515 section 4).
    pub(super) fn header(&self) -> String {
        format!(
            r#"{{"alg":"ES256","typ":"JWT","kid":"{}","KID":"{}"}}"#,
            self.kid, self.libtrust_id
        )
    }

    /// The key set to publish.
    pub(in crate::auth) fn jwks(&self) -> String {
        let jwk = self.public.to_jwk();
        let members = jwk.trim_start_matches('{');
        format!(
            r#"{{"keys":[{{"alg":"ES256","kid":"{}","use":"sig",{members}]}}"#,
            self.kid
        )
    }

    /// What an account's tokens hold in place of its password's hash.
    pub(in crate::auth) fn fingerprint(&self, account: &str, hash: &str) -> String {
        let mut context = hmac::Context::with_key(&self.fingerprints);
        for part in [account, hash] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..12])
    }
}

/// Makes a key, unless another process was faster. So is its directory: the default lies in `auth/` beside the
/// configuration, which a hand-written one need not have.
fn create(path: &Path) -> io::Result<()> {
    match write_private(path, new_key()?, Existing::Keep) {
        Ok(()) | Err(WriteError::Exists { .. }) => Ok(()),
        Err(WriteError::Io { source, .. }) => Err(source),
    }
}

/// A new key, PKCS #8 in PEM.
fn new_key() -> io::Result<String> {
    let no_key = |_| io::Error::other("the system gave no random key");
    loop {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(no_key)?;
        let point = pair.public_key().as_ref();
        // Distribution 3 drops a coordinate's leading zeros before it makes the thumbprint, against RFC 7638, and would
        // not know one key in 128 again.
        if point[1] == 0 || point[33] == 0 {
            continue;
        }
        let der = pair.to_pkcs8v1().map_err(no_key)?;
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|at| &text[at..text.len().min(at + 64)])
            .collect();
        return Ok(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        ));
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}
