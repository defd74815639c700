//! One file of several: a server's certificate first, then each issuer, as TLS wants it (RFC 8446 section 4.4.2).

use std::path::PathBuf;

use crate::x509::Certificate;
use crate::x509::load::{self, LoadError};

/// The certificates of a chain, in the order that TLS wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// PEM: the server's own, then its issuers.
    pub chain_pem: String,
    /// Their subjects, in that order.
    pub subjects: Vec<String>,
}

/// Why files make no chain.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// One of the files cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The files hold certificates of authorities alone.
    #[error("none of the files holds a server's certificate; expected one beside its intermediate authorities")]
    NoLeaf,
    /// The files hold certificates of several servers.
    #[error("the files hold the certificates of several servers ({first}; {second}); a bundle is of one")]
    SeveralLeaves {
        /// The subject of one of them.
        first: String,
        /// The subject of another.
        second: String,
    },
    /// An issuer's certificate is in none of the files.
    #[error("the certificate of {issuer} is missing, which issued that of {subject}; give its file too")]
    MissingIssuer {
        /// The subject of the certificate that it issued.
        subject: String,
        /// The subject of the certificate that is missing.
        issuer: String,
    },
    /// One by that name is there, and another key made the signature.
    #[error("{subject} was not signed by the {issuer} that is in the files: the name is the same and the key another")]
    WrongIssuer {
        /// The subject of the certificate.
        subject: String,
        /// The issuer that it names.
        issuer: String,
    },
    /// A certificate belongs to no chain of the server's.
    #[error("the certificate of {subject} does not belong to the chain of {leaf}; leave its file out")]
    Stray {
        /// Its subject.
        subject: String,
        /// The subject of the server's certificate.
        leaf: String,
    },
}

/// Puts the certificates of PEM files in order, whatever their order is; one that comes twice is taken once. The root at
/// the end may be there or be left out: who trusts it has it.
pub fn bundle(files: &[PathBuf]) -> Result<Bundle, BundleError> {
    let mut rest: Vec<Certificate> = Vec::new();
    for file in files {
        for certificate in load::chain(file)? {
            if !rest.iter().any(|other| other.der == certificate.der) {
                rest.push(certificate);
            }
        }
    }
    let mut chain = vec![take_leaf(&mut rest)?];
    while let Some(next) = take_issuer(&chain[chain.len() - 1], &mut rest)? {
        chain.push(next);
    }
    let (leaf, last) = (&chain[0], &chain[chain.len() - 1]);
    let ends = last.names_as_issuer(last);
    match rest.first() {
        // An intermediate that nothing leads to: what comes between is missing.
        Some(_) if !ends => Err(missing_issuer(last)),
        Some(stray) => Err(BundleError::Stray {
            subject: stray.subject.clone(),
            leaf: leaf.subject.clone(),
        }),
        None if chain.len() == 1 && !ends => Err(missing_issuer(last)),
        None => Ok(Bundle {
            chain_pem: chain.iter().map(|certificate| load::to_pem(&certificate.der)).collect(),
            subjects: chain.into_iter().map(|certificate| certificate.subject).collect(),
        }),
    }
}

fn missing_issuer(last: &Certificate) -> BundleError {
    BundleError::MissingIssuer {
        subject: last.subject.clone(),
        issuer: last.issuer.clone(),
    }
}

/// The one that issued none of the others; authorities are none.
fn take_leaf(rest: &mut Vec<Certificate>) -> Result<Certificate, BundleError> {
    let is_leaf = |one: &&Certificate| {
        let issued = rest
            .iter()
            .any(|other| other.der != one.der && other.names_as_issuer(one));
        let names_hosts = !one.names.is_empty() || !one.addresses.is_empty();
        !issued && (!one.authority || names_hosts)
    };
    let mut leaves = rest.iter().filter(is_leaf);
    let leaf = leaves.next().ok_or(BundleError::NoLeaf)?.clone();
    if let Some(other) = leaves.next() {
        return Err(BundleError::SeveralLeaves {
            first: leaf.subject,
            second: other.subject.clone(),
        });
    }
    rest.retain(|other| other.der != leaf.der);
    Ok(leaf)
}

fn take_issuer(certificate: &Certificate, rest: &mut Vec<Certificate>) -> Result<Option<Certificate>, BundleError> {
    if certificate.is_self_signed() {
        return Ok(None);
    }
    if let Some(index) = rest
        .iter()
        .position(|other| certificate.names_as_issuer(other) && certificate.is_signed_by(other))
    {
        return Ok(Some(rest.remove(index)));
    }
    match rest.iter().any(|other| certificate.names_as_issuer(other)) {
        true => Err(BundleError::WrongIssuer {
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
        }),
        false => Ok(None),
    }
}
