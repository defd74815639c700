//! Certificates in a token's header: whether a bundle vouches for the leaf.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use super::public_key::PublicKey;

/// Certificates between the leaf and one of the bundle, at most.
const MAX_INTERMEDIATES: usize = 4;

/// The key of the chain's leaf, when its chain ends at a certificate of `bundle` (DER), or when it is one of them: token
/// servers often use a self-signed certificate, of version 1 or marked as an authority.
pub(super) fn leaf_key(x5c: &[String], bundle: &[Vec<u8>], now: i64) -> Option<PublicKey> {
    if x5c.is_empty() || x5c.len() > 1 + MAX_INTERMEDIATES {
        return None;
    }
    let chain: Vec<Vec<u8>> = x5c
        .iter()
        .map(|text| STANDARD.decode(text).ok())
        .collect::<Option<_>>()?;
    let parsed: Vec<X509Certificate<'_>> = chain.iter().map(|der| parse_certificate(der)).collect::<Option<_>>()?;
    let anchors: Vec<X509Certificate<'_>> = bundle.iter().filter_map(|der| parse_certificate(der)).collect();
    let now = ASN1Time::from_timestamp(now).ok()?;
    let (leaf, intermediates) = parsed.split_first()?;
    let vouched = leaf.validity().is_valid_at(now)
        && (bundle.contains(&chain[0]) || (is_understood(leaf) && verify_chain(leaf, intermediates, &anchors, now, 0)));
    vouched
        .then(|| PublicKey::from_certificate(leaf.public_key()))
        .flatten()
}

/// One certificate, and nothing after it.
pub(super) fn parse_certificate(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der)
        .ok()
        .filter(|(rest, _)| rest.is_empty())
        .map(|(_, certificate)| certificate)
}

/// Whether an anchor signed `certificate`, or an intermediate did for which the same holds (RFC 5280 section 6.1).
fn verify_chain(
    certificate: &X509Certificate<'_>,
    intermediates: &[X509Certificate<'_>],
    anchors: &[X509Certificate<'_>],
    now: ASN1Time,
    below: usize,
) -> bool {
    let signed_by = |issuer: &&X509Certificate<'_>| {
        issuer.subject().as_raw() == certificate.issuer().as_raw()
            && issuer.validity().is_valid_at(now)
            && may_sign(issuer, below)
            && is_signed_with_a_good_hash(certificate)
            && certificate.verify_signature(Some(issuer.public_key())).is_ok()
    };
    if anchors.iter().any(|anchor| signed_by(&anchor)) {
        return true;
    }
    // A version 1 certificate cannot say that it is an authority, so only a bundle can.
    let intermediate = |issuer: &&X509Certificate<'_>| issuer.version() == X509Version::V3 && is_understood(issuer);
    below < MAX_INTERMEDIATES
        && intermediates
            .iter()
            .filter(intermediate)
            .filter(signed_by)
            .any(|issuer| verify_chain(issuer, intermediates, anchors, now, below + 1))
}

/// Whether `issuer` is an authority, with `below` further ones below it.
fn may_sign(issuer: &X509Certificate<'_>, below: usize) -> bool {
    let (Ok(constraints), Ok(usage)) = (issuer.basic_constraints(), issuer.key_usage()) else {
        return false;
    };
    let authority = match constraints {
        Some(constraints) => {
            constraints.value.ca
                && constraints
                    .value
                    .path_len_constraint
                    .is_none_or(|most| below <= usize::try_from(most).unwrap_or(0))
        }
        None => issuer.version() != X509Version::V3,
    };
    authority && usage.is_none_or(|usage| usage.value.key_cert_sign())
}

fn is_signed_with_a_good_hash(certificate: &X509Certificate<'_>) -> bool {
    let algorithm = &certificate.signature_algorithm.algorithm;
    *algorithm != oid::OID_PKCS1_SHA1WITHRSA && *algorithm != oid::OID_SHA1_WITH_RSA
}

/// Whether each critical extension is one that is honoured here.
fn is_understood(certificate: &X509Certificate<'_>) -> bool {
    certificate
        .extensions()
        .iter()
        .filter(|extension| extension.critical)
        .all(|extension| {
            matches!(
                extension.parsed_extension(),
                ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::KeyUsage(_)
                    | ParsedExtension::ExtendedKeyUsage(_)
                    | ParsedExtension::SubjectAlternativeName(_)
            )
        })
}
