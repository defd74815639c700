//! What the program needs to know of an X.509 certificate, read once into an owned value.

use std::net::IpAddr;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::host_name::HostName;

/// The SHA-256 fingerprint of the first certificate in `pem`, as `openssl x509 -fingerprint` prints it
/// (`AA:BB:..`); `None` when there is no certificate in it.
pub fn fingerprint_sha256(pem: &str) -> Option<String> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .ok()
        .map(|der| fingerprint(&der))
}

pub(crate) fn fingerprint(der: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    /// In words, `C=DE, O=Example, CN=registry`.
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) subject_der: Vec<u8>,
    pub(crate) issuer_der: Vec<u8>,
    /// The SubjectPublicKeyInfo in DER (RFC 5280 section 4.1).
    pub(crate) public_key_der: Vec<u8>,
    /// `ECDSA P-256`, `RSA 2048`.
    pub(crate) key: KeyDescription,
    pub(crate) signature_is_sha1: bool,
    /// Seconds since 1970, UTC.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// DNS names of the subjectAltName extension, as they are.
    pub(crate) names: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
    /// basicConstraints CA:TRUE.
    pub(crate) authority: bool,
    /// keyUsage says that it signs certificates; `openssl req -x509` leaves the extension out.
    pub(crate) signs_certificates: bool,
    /// The common name, when there is one.
    pub(crate) common_name: Option<String>,
    /// No extendedKeyUsage, or one with serverAuth or any.
    pub(crate) for_servers: bool,
}

/// The kind and size of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyDescription {
    pub(crate) text: String,
    /// An RSA key of fewer than 2048 bits, which present clients refuse.
    pub(crate) too_short: bool,
}

impl Certificate {
    /// Parses DER; the error is for people.
    pub(crate) fn parse(der: CertificateDer<'static>) -> Result<Self, String> {
        let (rest, x509) = X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the certificate", rest.len()));
        }
        let (names, addresses) = alternative_names(&x509)?;
        let authority = x509
            .basic_constraints()
            .map_err(|error| format!("basicConstraints: {error}"))?
            .is_some_and(|constraints| constraints.value.ca);
        let signs_certificates = x509
            .key_usage()
            .map_err(|error| format!("keyUsage: {error}"))?
            .is_some_and(|usage| usage.value.key_cert_sign());
        let common_name = x509.subject().iter_common_name().next();
        let for_servers = x509
            .extended_key_usage()
            .map_err(|error| format!("extendedKeyUsage: {error}"))?
            .is_none_or(|usage| usage.value.server_auth || usage.value.any);
        Ok(Self {
            subject: x509.subject().to_string(),
            issuer: x509.issuer().to_string(),
            subject_der: x509.subject().as_raw().to_vec(),
            issuer_der: x509.issuer().as_raw().to_vec(),
            public_key_der: x509.public_key().raw.to_vec(),
            key: key_description(&x509),
            signature_is_sha1: matches!(
                x509.signature_algorithm.algorithm.to_id_string().as_str(),
                "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1"
            ),
            not_before: x509.validity().not_before.timestamp(),
            not_after: x509.validity().not_after.timestamp(),
            names,
            addresses,
            authority,
            signs_certificates,
            common_name: common_name.and_then(|name| name.as_str().ok()).map(str::to_owned),
            for_servers,
            der: der.clone(),
        })
    }

    /// The name that this certificate gives its issuer is `issuer`'s own.
    pub(crate) fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }

    /// Whether `issuer`'s key made the signature.
    pub(crate) fn is_signed_by(&self, issuer: &Self) -> bool {
        let (Ok((_, certificate)), Ok((_, issuer))) = (
            X509Certificate::from_der(&self.der),
            X509Certificate::from_der(&issuer.der),
        ) else {
            return false;
        };
        certificate.verify_signature(Some(issuer.public_key())).is_ok()
    }

    /// Subject and issuer are the same, and the key signed itself.
    pub(crate) fn is_self_signed(&self) -> bool {
        self.names_as_issuer(self) && self.is_signed_by(self)
    }

    /// Whether clients accept it for `name`. The common name does not count: Go ignores it since 1.15.
    pub(crate) fn covers_name(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name) || own.parse::<HostName>().is_ok_and(|own| own.covers(name)))
    }

    pub(crate) fn covers_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }
}

fn alternative_names(x509: &X509Certificate<'_>) -> Result<(Vec<String>, Vec<IpAddr>), String> {
    let extension = x509
        .subject_alternative_name()
        .map_err(|error| format!("subjectAltName: {error}"))?;
    let mut names = Vec::new();
    let mut addresses = Vec::new();
    for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => match (<[u8; 4]>::try_from(*octets), <[u8; 16]>::try_from(*octets)) {
                (Ok(v4), _) => addresses.push(IpAddr::from(v4)),
                (_, Ok(v6)) => addresses.push(IpAddr::from(v6)),
                _ => return Err(format!("subjectAltName: an address of {} bytes", octets.len())),
            },
            _ => {}
        }
    }
    Ok((names, addresses))
}

fn key_description(x509: &X509Certificate<'_>) -> KeyDescription {
    let algorithm = &x509.public_key().algorithm;
    match x509.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => KeyDescription {
            text: format!("RSA {}", key.key_size()),
            too_short: key.key_size() < 2048,
        },
        Ok(PublicKey::EC(point)) => KeyDescription {
            // The size is that of the coordinates in whole bytes; P-521 is the one curve where that shows.
            text: format!(
                "ECDSA P-{}",
                if point.key_size() == 528 { 521 } else { point.key_size() }
            ),
            too_short: false,
        },
        _ => KeyDescription {
            text: match algorithm.algorithm.to_id_string().as_str() {
                "1.3.101.112" => "Ed25519".into(),
                other => format!("algorithm {other}"),
            },
            too_short: false,
        },
    }
}
