//! Copies the certificate from the store to where the proxy reads it: `tls/registry.crt` and `.key` below the home.

use std::path::PathBuf;
use std::time::SystemTime;

use lockgate_certs::IssueError;
use lockgate_certs::{CertificateFiles, HostNameError, LeafRequest, is_self_signed, leaf, load, validity};
use lockgate_config::{Acme, Home};
use lockgate_files::{Existing, UidGid, WriteError, write_private_for, write_public};

use super::AcmeStore;
use crate::os::ownership::make_directories;

/// Why the proxy has no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeafError {
    #[error("http.tls.letsencrypt.hosts: {0}")]
    HostName(#[from] HostNameError),
    /// The self-signed certificate of the meantime.
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("{}: cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Which certificate the proxy serves from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServedLeaf {
    /// The ordered one, which was there already.
    Kept,
    /// The ordered one, which was copied now.
    New,
    /// An earlier one, from elsewhere or for other names.
    Earlier,
    /// A self-signed one that nobody trusts, until there is a better one.
    SelfSigned,
}

/// Gives the proxy a certificate, the ordered one as soon as there is one. Its key belongs to `owner`.
pub(crate) fn ensure(acme: &Acme, home: &Home, owner: Option<UidGid>) -> Result<ServedLeaf, LeafError> {
    let shown = CertificateFiles {
        certificate: home.leaf_certificate(),
        key: home.leaf_key(),
    };
    if let (Some(reader), Some(directory)) = (owner, shown.key.parent().filter(|directory| !directory.exists())) {
        make_directories(directory, reader.gid)?;
    }
    let ordered = AcmeStore::of(acme).certificate();
    if load::certified_key(&ordered.certificate, &ordered.key).is_ok() {
        return install(&ordered, &shown, owner);
    }
    if load::certified_key(&shown.certificate, &shown.key).is_ok() {
        if !is_self_signed(&shown.certificate) {
            return Ok(ServedLeaf::Earlier);
        }
        if validity(&shown, &acme.hosts).is_ok_and(|validity| validity.not_after > SystemTime::now()) {
            return Ok(ServedLeaf::SelfSigned);
        }
    }
    leaf::self_signed(&LeafRequest::for_hosts(&acme.hosts)?)?.write(&shown, Existing::Overwrite, owner)?;
    Ok(ServedLeaf::SelfSigned)
}

/// Copies the ordered pair. The proxy notices by itself; between the two writes the files do not match, and it keeps the
/// old ones.
fn install(
    ordered: &CertificateFiles,
    shown: &CertificateFiles,
    owner: Option<UidGid>,
) -> Result<ServedLeaf, LeafError> {
    let text = std::fs::read_to_string(&ordered.certificate).map_err(|source| LeafError::Read {
        path: ordered.certificate.clone(),
        source,
    })?;
    let (key, chain) = split_key_and_chain(&text);
    let is = |path, wanted: &str| std::fs::read_to_string(path).is_ok_and(|text| text == wanted);
    if is(&shown.certificate, chain) && is(&shown.key, key) {
        return Ok(ServedLeaf::Kept);
    }
    write_private_for(owner, &shown.key, key, Existing::Overwrite)?;
    write_public(&shown.certificate, chain, Existing::Overwrite)?;
    Ok(ServedLeaf::New)
}

/// Splits what [`super::order`] made into key and chain.
fn split_key_and_chain(text: &str) -> (&str, &str) {
    text.split_at(text.find("-----BEGIN CERTIFICATE-----").unwrap_or(text.len()))
}
