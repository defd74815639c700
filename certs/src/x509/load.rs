//! From PEM files to a key that rustls can use, with every mistake in words.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ::pem::{EncodeConfig, LineEnding, Pem};
use lockgate_files::Stamp;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::Certificate;
use super::provider::provider;

/// Processes that root starts run as users who may not read root's own files.
fn by_whom(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => format!(" by user {}", nix::unistd::geteuid()),
        _ => String::new(),
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The two files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the leaf first, then its intermediates.
    pub certificate: PathBuf,
    /// PEM: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// The present state of both files, the certificate's first.
    pub fn stamps(&self) -> [Option<Stamp>; 2] {
        [Stamp::of(&self.certificate), Stamp::of(&self.key)]
    }
}

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path}: cannot be read{}: {source}", by_whom(.source))]
    Read {
        /// The PEM file.
        path: PathBuf,
        /// Why the system does not let it be read.
        #[source]
        source: std::io::Error,
    },
    /// No PEM certificate in it.
    #[error("{path}: holds no certificate{hint}; expected a block that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate {
        /// The PEM file.
        path: PathBuf,
        /// What it holds instead, when that is known; begins with a space.
        hint: &'static str,
    },
    /// A certificate that cannot be parsed.
    #[error("{path}: certificate {position} in the file is damaged: {reason}")]
    MalformedCertificate {
        /// The PEM file.
        path: PathBuf,
        /// Which certificate of the file, counted from 1.
        position: usize,
        /// Where the parser stopped.
        reason: String,
    },
    /// No PEM private key in it.
    #[error("{path}: holds no private key{hint}; expected a block such as -----BEGIN PRIVATE KEY-----")]
    NoKey {
        /// The PEM file.
        path: PathBuf,
        /// What it holds instead, when that is known; begins with a space.
        hint: &'static str,
    },
    /// The key has a passphrase.
    #[error(
        "{path}: the key is encrypted with a passphrase; write it without one: openssl pkey -in {path} -out new.key"
    )]
    EncryptedKey {
        /// The file of the key.
        path: PathBuf,
    },
    /// A key that cannot be parsed or is of an unknown kind.
    #[error("{path}: the key cannot be used: {reason}")]
    MalformedKey {
        /// The file of the key.
        path: PathBuf,
        /// Why the key is refused.
        reason: String,
    },
    /// Two files that do not belong together.
    #[error("{key}: does not belong to the certificate in {certificate}")]
    WrongKey {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The server's own certificate is not the first.
    #[error("{path}: the key belongs to certificate {position} in the file; the server's own must be the first")]
    LeafNotFirst {
        /// The file of the chain.
        path: PathBuf,
        /// Which certificate of the file has the key, counted from 1.
        position: usize,
    },
    /// The intermediates are in the wrong order.
    #[error(
        "{path}: certificate {position} in the file must be followed by that of its issuer ({issuer}), which comes elsewhere"
    )]
    OutOfOrder {
        /// The file of the chain.
        path: PathBuf,
        /// Which certificate of the file lacks its issuer, counted from 1.
        position: usize,
        /// The subject of the certificate that should follow.
        issuer: String,
    },
    /// An SNI name that cannot be one.
    #[error(transparent)]
    Name(#[from] super::host_name::HostNameError),
}

/// Loads a certificate with its chain and its key. One that has expired, or is not valid yet, is loaded with a warning
/// in the log: an old certificate is better than none.
pub fn certified_key(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, LoadError> {
    let chain = chain(certificate)?;
    let private = private_key(key)?;
    let signing = signing_key(private, key, &chain[0])?;
    if let Some(public) = signing.public_key() {
        check_leaf(&chain, &public, certificate, key)?;
    }
    check_order(&chain, certificate)?;
    warn_of_validity(&chain[0], certificate);
    Ok(Arc::new(CertifiedKey::new(
        chain.into_iter().map(|certificate| certificate.der).collect(),
        signing,
    )))
}

/// All certificates of a PEM file, one at least.
pub(crate) fn chain(path: &Path) -> Result<Vec<Certificate>, LoadError> {
    let text = read(path)?;
    let mut chain = Vec::new();
    for der in CertificateDer::pem_slice_iter(&text) {
        let malformed = |reason| LoadError::MalformedCertificate {
            path: path.to_owned(),
            position: chain.len() + 1,
            reason,
        };
        let der = der.map_err(|error| malformed(pem_reason(&error)))?;
        chain.push(Certificate::parse(der).map_err(malformed)?);
    }
    if chain.is_empty() {
        return Err(LoadError::NoCertificate {
            path: path.to_owned(),
            hint: content_hint(&text),
        });
    }
    Ok(chain)
}

/// The first private key of a PEM file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, LoadError> {
    let text = read(path)?;
    // PKCS#8 says it in the label, the older forms in a header (RFC 1421 section 4.6.1.1).
    if contains(&text, "ENCRYPTED PRIVATE KEY") || contains(&text, "Proc-Type: 4,ENCRYPTED") {
        return Err(LoadError::EncryptedKey { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => LoadError::NoKey {
            path: path.to_owned(),
            hint: content_hint(&text),
        },
        error => LoadError::MalformedKey {
            path: path.to_owned(),
            reason: pem_reason(&error),
        },
    })
}

/// An authority's certificate with those above it, and the key that belongs to the first.
pub(crate) fn authority(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<Certificate>, PrivateKeyDer<'static>), LoadError> {
    let chain = chain(certificate)?;
    let private = private_key(key)?;
    check_order(&chain, certificate)?;
    match belongs(&chain[0], private.clone_key(), key)? {
        true => Ok((chain, private)),
        false => Err(LoadError::WrongKey {
            key: key.to_owned(),
            certificate: certificate.to_owned(),
        }),
    }
}

/// Whether the private key belongs to the certificate.
pub(crate) fn belongs(certificate: &Certificate, key: PrivateKeyDer<'static>, path: &Path) -> Result<bool, LoadError> {
    Ok(signing_key(key, path, certificate)?
        .public_key()
        .is_none_or(|public| public.as_ref() == certificate.public_key_der))
}

/// `certificate` is the one that the key should belong to: it tells what is wrong with a key that cannot be used.
fn signing_key(
    key: PrivateKeyDer<'static>,
    path: &Path,
    certificate: &Certificate,
) -> Result<Arc<dyn SigningKey>, LoadError> {
    // The library's own words for a short key are "unexpected error".
    provider().key_provider.load_private_key(key).map_err(|_| {
        let reason = match certificate.key.too_short {
            true => format!(
                "it is {}, and clients take RSA keys of 2048 bits and more; make a new key, and have a certificate \
                 issued for it",
                certificate.key.text
            ),
            false => "it is damaged, or none of RSA with 2048 to 8192 bits, ECDSA P-256, P-384 and P-521, and Ed25519"
                .to_owned(),
        };
        LoadError::MalformedKey {
            path: path.to_owned(),
            reason,
        }
    })
}

/// PEM with the lines of RFC 7468.
pub(crate) fn to_pem(der: &CertificateDer<'_>) -> String {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    ::pem::encode_config(&Pem::new("CERTIFICATE", der.to_vec()), lines)
}

/// Without the byte order mark that Windows' editors write: the first line would not be known for what it is.
fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut bytes = std::fs::read(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(bytes)
}

fn check_leaf(chain: &[Certificate], public: &[u8], certificate: &Path, key: &Path) -> Result<(), LoadError> {
    match chain
        .iter()
        .position(|certificate| certificate.public_key_der == public)
    {
        Some(0) => Ok(()),
        Some(index) => Err(LoadError::LeafNotFirst {
            path: certificate.to_owned(),
            position: index + 1,
        }),
        None => Err(LoadError::WrongKey {
            key: key.to_owned(),
            certificate: certificate.to_owned(),
        }),
    }
}

/// RFC 8446 section 4.4.2 forgives disorder, TLS 1.2 and many clients do not. Certificates beside the chain (an old
/// cross-signed root) do no harm and are let through.
pub(crate) fn check_order(chain: &[Certificate], path: &Path) -> Result<(), LoadError> {
    for (index, pair) in chain.windows(2).enumerate() {
        let (one, next) = (&pair[0], &pair[1]);
        if one.names_as_issuer(one) || one.names_as_issuer(next) {
            continue;
        }
        if chain.iter().any(|other| one.names_as_issuer(other)) {
            return Err(LoadError::OutOfOrder {
                path: path.to_owned(),
                position: index + 1,
                issuer: one.issuer.clone(),
            });
        }
    }
    Ok(())
}

fn warn_of_validity(leaf: &Certificate, path: &Path) {
    let now = unix_seconds(SystemTime::now());
    if now > leaf.not_after {
        tracing::warn!(certificate = %path.display(), "the certificate has expired; clients will refuse it");
    } else if now < leaf.not_before {
        tracing::warn!(certificate = %path.display(), "the certificate is not valid yet; clients will refuse it");
    }
}

pub(crate) fn unix_seconds(now: SystemTime) -> i64 {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn contains(text: &[u8], needle: &str) -> bool {
    text.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// What a file holds that was taken for another: the usual slips.
fn content_hint(text: &[u8]) -> &'static str {
    if text.is_empty() {
        " (it is empty)"
    } else if matches!(text, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        " (it is UTF-16, as Windows PowerShell's > writes it; save it as UTF-8)"
    } else if contains(text, "BEGIN CERTIFICATE REQUEST") {
        " but a certificate request, which an authority must sign first"
    } else if contains(text, "PRIVATE KEY-----") {
        " but a private key"
    } else if contains(text, "BEGIN CERTIFICATE") {
        " but a certificate"
    } else if text[0] == 0x30 {
        " in PEM form (it looks like DER; convert it with openssl)"
    } else {
        ""
    }
}

fn pem_reason(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "its last line is missing; the file may be half written".into(),
        pem::Error::Base64Decode(_) => "its base64 text is damaged".into(),
        error => error.to_string(),
    }
}
