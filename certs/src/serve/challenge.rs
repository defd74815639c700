//! What is shown to an ACME server as proof that a host name leads here: one file a challenge, in a directory that the
//! ordering process writes and the proxy reads.
//!
//! ```text
//! <token>              HTTP-01 (RFC 8555 section 8.3): the key authorization
//! <host>.alpn.crt|key  TLS-ALPN-01 (RFC 8737): a certificate that holds its digest
//! ```
//!
//! A token has no dot, so none can name the other kind of file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_files::{Existing, UidGid, WriteError, write_private_for, write_public};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::server::ClientHello;

use super::server::TLS12_AND_13;
use crate::x509::load::{self, CertificateFiles};
use crate::x509::provider;

/// The protocol that TLS-ALPN-01 asks for.
pub const PROTOCOL: &[u8] = b"acme-tls/1";

/// Tokens of present servers have 43 characters; RFC 8555 only says how few are too few.
const LONGEST_TOKEN: usize = 128;

/// With `.alpn.crt`, and what a file has before it has its name, within the 255 bytes of a file name.
const LONGEST_HOST: usize = 220;

/// Why an answer to a challenge was not put up.
#[derive(Debug, thiserror::Error)]
pub enum AcmeChallengeError {
    /// A token or a host name that cannot be a file's name.
    #[error("{name:?} cannot be the name of a file")]
    Name {
        /// What the server sent, or the configuration holds.
        name: String,
    },
    /// A digest of another size than SHA-256's.
    #[error("a digest of {length} bytes")]
    Digest {
        /// Its length in bytes.
        length: usize,
    },
    /// The key or the signature of the certificate.
    #[error("cannot generate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Puts up the answer to an HTTP-01 challenge. Anybody may read it: anybody can ask for it.
pub fn put_token(directory: &Path, token: &str, key_authorization: &str) -> Result<PathBuf, AcmeChallengeError> {
    let path = token_file(directory, token).ok_or_else(|| named(token))?;
    write_public(&path, key_authorization, Existing::Overwrite)?;
    Ok(path)
}

/// The answer to `token`; `None` when there is no such challenge.
pub fn token(directory: &Path, token: &str) -> Option<Vec<u8>> {
    std::fs::read(token_file(directory, token)?).ok()
}

/// Puts up the answer to a TLS-ALPN-01 challenge: a certificate for `host` that holds `digest`, SHA-256 of the key
/// authorization. With an `owner`, its key is that user's.
pub fn put_certificate(
    directory: &Path,
    host: &str,
    digest: &[u8],
    owner: Option<UidGid>,
) -> Result<CertificateFiles, AcmeChallengeError> {
    let pair = certificate_files(directory, host).ok_or_else(|| named(host))?;
    if digest.len() != 32 {
        return Err(AcmeChallengeError::Digest { length: digest.len() });
    }
    let (certificate, key) = certificate(host, digest)?;
    write_private_for(owner, &pair.key, key, Existing::Overwrite)?;
    write_public(&pair.certificate, certificate, Existing::Overwrite)?;
    Ok(pair)
}

/// Whether this is an ACME server that verifies: it offers [`PROTOCOL`] and nothing else (RFC 8737 section 3).
pub fn is_asked(hello: &ClientHello<'_>) -> bool {
    hello
        .alpn()
        .is_some_and(|mut offered| offered.next() == Some(PROTOCOL) && offered.next().is_none())
}

/// How to shake hands with an ACME server that verifies `host`; `None` when no challenge of this name is open.
pub fn server_config(directory: &Path, host: &str) -> Option<Arc<ServerConfig>> {
    let pair = certificate_files(directory, host)?;
    if !pair.certificate.exists() {
        return None;
    }
    let key = load::certified_key(&pair.certificate, &pair.key)
        .inspect_err(|error| tracing::warn!("a challenge cannot be answered: {error}"))
        .ok()?;
    let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(key));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(TLS12_AND_13)
        .ok()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.send_tls13_tickets = 0;
    Some(Arc::new(config))
}

/// Removes every answer: each is good for one order alone.
pub fn clear(directory: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// RFC 8555 section 8.3: the base64url alphabet alone.
fn token_file(directory: &Path, token: &str) -> Option<PathBuf> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    ((1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(fits)).then(|| directory.join(token))
}

fn certificate_files(directory: &Path, host: &str) -> Option<CertificateFiles> {
    let host = host.to_ascii_lowercase();
    let fits = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    (host.len() <= LONGEST_HOST && host.split('.').all(fits)).then(|| CertificateFiles {
        certificate: directory.join(format!("{host}.alpn.crt")),
        key: directory.join(format!("{host}.alpn.key")),
    })
}

/// Self-signed, for `host` alone, with the digest in a critical acmeIdentifier extension (RFC 8737 section 3).
fn certificate(host: &str, digest: &[u8]) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([host.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn named(name: &str) -> AcmeChallengeError {
    AcmeChallengeError::Name { name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    #[test]
    fn a_token_is_found_by_its_name_and_by_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("acme");
        assert_eq!(token(&directory, "abc"), None);
        put_token(&directory, "a-B_9", "a-B_9.thumb").unwrap();
        std::fs::write(home.path().join("secret"), "s").unwrap();
        assert_eq!(token(&directory, "a-B_9").as_deref(), Some(&b"a-B_9.thumb"[..]));
        let long = "a".repeat(LONGEST_TOKEN + 1);
        assert_eq!(token(&directory, "a-b_9"), None);
        for name in ["", ".", "..", "../secret", "a.B", "a%2d", "a\\0", "a-B_9/", &long] {
            assert_eq!(token(&directory, name), None, "{name}");
            assert!(
                matches!(put_token(&directory, name, "x"), Err(AcmeChallengeError::Name { .. })),
                "{name}"
            );
        }
        clear(&directory).unwrap();
        assert_eq!(token(&directory, "a-B_9"), None);
    }

    #[test]
    fn the_certificate_is_as_the_rfc_wants_it() {
        let home = tempfile::tempdir().unwrap();
        let pair = put_certificate(home.path(), "r.example", &[7; 32], None).unwrap();
        let der = CertificateDer::from_pem_file(&pair.certificate).unwrap();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 1);
        // id-pe-acmeIdentifier, critical, an OCTET STRING of the digest.
        let identifier = certificate
            .extensions()
            .iter()
            .find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31")
            .unwrap();
        assert!(identifier.critical);
        assert_eq!(identifier.value, [&[4, 32][..], &[7; 32]].concat());
        assert!(server_config(home.path(), "R.example").is_some());
        assert!(server_config(home.path(), "other.example").is_none());
        // What a token would have to be called to reach it.
        assert_eq!(token(home.path(), "r.example.alpn.key"), None);
        for host in ["../r.example", "", "a..b", "a/b", &"a.".repeat(200)] {
            let put = put_certificate(home.path(), host, &[7; 32], None);
            assert!(matches!(put, Err(AcmeChallengeError::Name { .. })), "{host}");
            assert!(server_config(home.path(), host).is_none());
        }
        assert!(matches!(
            put_certificate(home.path(), "r.example", &[7; 20], None),
            Err(AcmeChallengeError::Digest { length: 20 })
        ));
        clear(home.path()).unwrap();
        assert!(server_config(home.path(), "r.example").is_none());
    }
}
