//! Leaves: the certificates that the proxy shows.

use std::collections::BTreeSet;
use std::net::IpAddr;

use lockgate_files::{Existing, UidGid, WriteError, write_private_for, write_public};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, SanType,
    SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::error::IssueError;
use super::machine;
use super::private_key::PrivateKeyPem;
use super::subject::Subject;
use crate::x509::load::CertificateFiles;
use crate::x509::{HostName, HostNameError, provider};

/// Validity begins this long before now, for clients whose clocks are behind.
pub(crate) const CLOCK_SKEW: Duration = Duration::hours(1);

/// How long a leaf that renews itself is valid, in days. CA/Browser Forum Baseline Requirements 6.3.2 allow 398.
pub const AUTOMATIC_DAYS: u32 = 397;

/// The longest lifetime that can be asked for, in days: a hundred years, as users of `openssl req -days 36500` have.
pub const MOST_DAYS: u32 = 36_500;

/// A request for a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafRequest {
    /// Host names for the subjectAltName extension.
    pub names: Vec<HostName>,
    /// Addresses for the subjectAltName extension.
    pub addresses: Vec<IpAddr>,
    /// Whom it names; without a common name, the first name or address becomes it.
    pub subject: Subject,
    /// Validity in days, from an hour ago.
    pub days: u32,
    /// The kind of key to make for it.
    pub key: KeyKind,
}

/// The kind of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Small and fast; every present client knows it.
    EcdsaP256,
    /// For clients of before 2012.
    Rsa2048,
    /// As above, and four times slower to shake hands with.
    Rsa4096,
}

/// A new certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// PEM: the leaf, then the authority when there is one.
    pub chain_pem: String,
    /// The leaf's key as PKCS#8.
    pub key_pem: PrivateKeyPem,
}

impl LeafRequest {
    /// The leaf that Lockgate keeps for itself: `hosts` (names or addresses, as the user gave them), the machine's
    /// names, and its addresses.
    pub fn automatic(hosts: &[String]) -> Result<Self, HostNameError> {
        let (mut names, mut addresses) = parse_hosts(hosts)?;
        names.extend(machine::machine_names());
        addresses.extend(machine::machine_addresses());
        Ok(Self {
            names: in_order_once(names),
            addresses: in_order_once(addresses),
            subject: Subject::default(),
            days: AUTOMATIC_DAYS,
            key: KeyKind::EcdsaP256,
        })
    }

    /// A leaf for exactly `hosts`, names or addresses.
    pub fn for_hosts(hosts: &[String]) -> Result<Self, HostNameError> {
        let (names, addresses) = parse_hosts(hosts)?;
        Ok(Self {
            names: in_order_once(names),
            addresses: in_order_once(addresses),
            subject: Subject::default(),
            days: AUTOMATIC_DAYS,
            key: KeyKind::EcdsaP256,
        })
    }
}

impl Issued {
    /// Writes both files, the key first: a certificate without its key is the worse half to be left with. With an
    /// `owner`, the key is that user's.
    pub fn write(&self, pair: &CertificateFiles, existing: Existing, owner: Option<UidGid>) -> Result<(), WriteError> {
        write_private_for(owner, &pair.key, self.key_pem.reveal(), existing)?;
        write_public(&pair.certificate, &self.chain_pem, existing)
    }
}

impl KeyKind {
    /// RSA of this many bits; `None` for a size that is not offered.
    pub fn rsa(bits: u32) -> Option<Self> {
        match bits {
            2048 => Some(Self::Rsa2048),
            4096 => Some(Self::Rsa4096),
            _ => None,
        }
    }
}

/// Issues a leaf that signs itself, as `openssl req -x509` does: clients trust the very certificate.
pub fn self_signed(request: &LeafRequest) -> Result<Issued, IssueError> {
    let key = generate_key(request.key)?;
    let certificate = parameters(request)?.self_signed(&key)?;
    Ok(Issued {
        chain_pem: certificate.pem(),
        key_pem: PrivateKeyPem::new(key.serialize_pem()),
    })
}

pub(crate) fn parameters(request: &LeafRequest) -> Result<CertificateParams, IssueError> {
    if !(1..=MOST_DAYS).contains(&request.days) {
        return Err(IssueError::Days {
            days: request.days,
            most: MOST_DAYS,
        });
    }
    let mut params = CertificateParams::default();
    params.subject_alt_names = alternative_names(request)?;
    params.distinguished_name = named(request)?.distinguished_name()?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = match request.key {
        KeyKind::EcdsaP256 => vec![KeyUsagePurpose::DigitalSignature],
        KeyKind::Rsa2048 | KeyKind::Rsa4096 => {
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment]
        }
    };
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = OffsetDateTime::now_utc() - CLOCK_SKEW;
    params.not_after = params.not_before + Duration::days(request.days.into());
    params.serial_number = Some(random_serial()?);
    Ok(params)
}

pub(crate) fn generate_key(kind: KeyKind) -> Result<KeyPair, rcgen::Error> {
    match kind {
        KeyKind::EcdsaP256 => KeyPair::generate(),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    }
}

/// 127 random bits, positive and never 0 (RFC 5280 section 4.1.2.2): an authority needs no count of what it issued.
pub(crate) fn random_serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| IssueError::Random)?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn alternative_names(request: &LeafRequest) -> Result<Vec<SanType>, IssueError> {
    if request.names.is_empty() && request.addresses.is_empty() {
        return Err(IssueError::NoNames);
    }
    let names = request
        .names
        .iter()
        .map(|name| Ok(SanType::DnsName(name.as_str().try_into()?)));
    let addresses = request.addresses.iter().map(|address| Ok(SanType::IpAddress(*address)));
    names.chain(addresses).collect()
}

/// The request's subject with a common name, which people look for although clients do not.
fn named(request: &LeafRequest) -> Result<Subject, IssueError> {
    let mut subject = request.subject.clone();
    if subject.common_name.is_none() {
        let name = request.names.first().map(ToString::to_string);
        let first = name.or_else(|| request.addresses.first().map(ToString::to_string));
        // A name too long for a CN is whole in the SANs.
        subject.common_name = first.filter(|name| name.len() <= 64);
    }
    Ok(subject)
}

fn parse_hosts(hosts: &[String]) -> Result<(Vec<HostName>, Vec<IpAddr>), HostNameError> {
    let mut names = Vec::new();
    let mut addresses = Vec::new();
    for host in hosts {
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) => addresses.push(address),
            Err(_) => names.push(host.parse()?),
        }
    }
    Ok((names, addresses))
}

fn in_order_once<T: Ord + Clone>(values: Vec<T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    values.into_iter().filter(|value| seen.insert(value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(|host| (*host).to_owned()).collect()
    }

    #[test]
    fn hosts_are_sorted_into_names_and_addresses_once() {
        let request =
            LeafRequest::for_hosts(&hosts(&["b.example", "10.0.0.1", "B.example", "[::1]", "10.0.0.1"])).unwrap();
        assert_eq!(request.names, ["b.example".parse().unwrap()]);
        assert_eq!(
            request.addresses,
            ["10.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]
        );
        let error = LeafRequest::for_hosts(&hosts(&["host:5000"])).unwrap_err();
        assert!(error.to_string().contains("\"host:5000\""), "{error}");
    }

    #[test]
    fn the_automatic_leaf_names_the_machine_after_what_was_given() {
        let request = LeafRequest::automatic(&hosts(&["registry.example.com"])).unwrap();
        assert_eq!(request.names[0].as_str(), "registry.example.com");
        assert!(request.names.iter().any(|name| name.as_str() == "localhost"));
        assert!(request.addresses.contains(&"127.0.0.1".parse().unwrap()));
        assert!(request.days <= 397);
    }

    #[test]
    fn impossible_requests_are_refused() {
        let request = LeafRequest::for_hosts(&hosts(&["a.example"])).unwrap();
        let nameless = LeafRequest {
            names: vec![],
            ..request.clone()
        };
        assert!(matches!(self_signed(&nameless), Err(IssueError::NoNames)));
        for days in [0, MOST_DAYS + 1] {
            let request = LeafRequest {
                days,
                ..request.clone()
            };
            assert!(matches!(self_signed(&request), Err(IssueError::Days { .. })));
        }
    }

    #[test]
    fn serial_numbers_differ() {
        assert_ne!(random_serial().unwrap().to_bytes(), random_serial().unwrap().to_bytes());
    }
}
