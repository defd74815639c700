//! A certificate authority of one's own: made once, kept ten years, and good for one thing: issuing leaves.

use std::path::Path;
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::error::IssueError;
use super::leaf::{self, CLOCK_SKEW, Issued, LeafRequest};
use super::private_key::PrivateKeyPem;
use super::subject::Subject;
use crate::x509::Certificate;
use crate::x509::load::{self, LoadError};

/// How long an authority is valid, in days: ten years.
pub const AUTHORITY_DAYS: u32 = 3652;

/// A CA certificate and the key to issue with.
pub struct Authority {
    certificate: Certificate,
    certificate_pem: String,
    /// The authority's certificate and those that its file held above it.
    chain_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority: ECDSA P-256, ten years, good for leaves only (pathlen 0).
    pub fn create(subject: &Subject) -> Result<Self, IssueError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = subject.distinguished_name()?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = OffsetDateTime::now_utc() - CLOCK_SKEW;
        params.not_after = params.not_before + Duration::days(AUTHORITY_DAYS.into());
        params.serial_number = Some(leaf::random_serial()?);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            chain_pem: certificate.pem(),
            certificate: parse_own(certificate.der())?,
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads an authority from PEM files, this program's own or another's. When the file goes on with the authorities
    /// above it, leaves are issued with all of them.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, IssueError> {
        let (chain, private) = load::authority(certificate, key)?;
        let chain_pem = chain.iter().map(|certificate| load::to_pem(&certificate.der)).collect();
        let parsed = chain[0].clone();
        if !parsed.authority {
            return Err(IssueError::NotAnAuthority {
                path: certificate.to_owned(),
            });
        }
        let key_pair = KeyPair::try_from(&private).map_err(|error| LoadError::MalformedKey {
            path: key.to_owned(),
            reason: error.to_string(),
        })?;
        let certificate_pem = load::to_pem(&parsed.der);
        let issuer = Issuer::from_ca_cert_der(&parsed.der, key_pair)?;
        Ok(Self {
            certificate: parsed,
            certificate_pem,
            chain_pem,
            issuer,
        })
    }

    /// The authority's certificate: what clients trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's key as PKCS#8.
    pub fn key_pem(&self) -> PrivateKeyPem {
        PrivateKeyPem::new(self.issuer.key().serialize_pem())
    }

    /// Issues a leaf with a new key. It never outlives the authority.
    pub fn issue(&self, request: &LeafRequest) -> Result<Issued, IssueError> {
        let end = OffsetDateTime::from_unix_timestamp(self.certificate.not_after)
            .map_err(|_| IssueError::AuthorityExpired)?;
        if end <= OffsetDateTime::from(SystemTime::now()) {
            return Err(IssueError::AuthorityExpired);
        }
        let key = leaf::generate_key(request.key)?;
        let mut params = leaf::parameters(request)?;
        params.not_after = params.not_after.min(end);
        params.use_authority_key_identifier_extension = true;
        let issued = params.signed_by(&key, &self.issuer)?;
        // Clients find the issuer by the bytes of its name; a generator that rewrote them would break the chain.
        if !parse_own(issued.der())?.names_as_issuer(&self.certificate) {
            return Err(IssueError::AuthorityName {
                name: self.certificate.subject.clone(),
            });
        }
        Ok(Issued {
            chain_pem: format!("{}{}", issued.pem(), self.chain_pem),
            key_pem: PrivateKeyPem::new(key.serialize_pem()),
        })
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("subject", &self.certificate.subject)
            .finish_non_exhaustive()
    }
}

fn parse_own(der: &CertificateDer<'static>) -> Result<Certificate, IssueError> {
    Certificate::parse(der.clone()).map_err(|_| IssueError::Generate(rcgen::Error::CouldNotParseCertificate))
}
