//! Why the leaf that Lockgate keeps for itself must be issued again.

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use super::leaf::LeafRequest;
use crate::x509::Certificate;
use crate::x509::load::{self, LoadError, Pair};

const DAY: i64 = 24 * 60 * 60;

/// A leaf is issued again this many days before it ends.
pub const RENEW_BEFORE_DAYS: u32 = 30;

/// Why a new leaf is needed; as text, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The certificate or its key is not there.
    Missing,
    /// The files are there and cannot be used.
    Unusable(String),
    /// Fewer days than [`RENEW_BEFORE_DAYS`] are left, or none.
    Expires {
        /// Whole days left; negative when it is over.
        days: i64,
    },
    /// It is not valid yet: the clock was set back.
    NotYetValid,
    /// Names or addresses that it does not hold.
    NotCovered(Vec<String>),
    /// Another authority signed it.
    OtherAuthority,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is none yet"),
            Self::Unusable(reason) => write!(f, "it cannot be used: {reason}"),
            Self::Expires { days: ..0 } => f.write_str("it has expired"),
            Self::Expires { days } => write!(f, "it expires in {days} days"),
            Self::NotYetValid => f.write_str("it is not valid yet"),
            Self::NotCovered(hosts) => write!(f, "it does not cover {}", hosts.join(", ")),
            Self::OtherAuthority => f.write_str("another authority signed it"),
        }
    }
}

/// Looks at the leaf in `leaf` and says why it must be issued again, `None` when it need not be. `authority` is the
/// file of the authority's certificate; the error is about that file. Names and addresses that the machine has lost
/// are no reason: they do no harm, and interfaces come and go.
pub fn renewal(
    leaf: &Pair,
    request: &LeafRequest,
    authority: &Path,
    now: SystemTime,
) -> Result<Option<Reason>, LoadError> {
    let authority = load::chain(authority)?.swap_remove(0);
    if !leaf.certificate.exists() || !leaf.key.exists() {
        return Ok(Some(Reason::Missing));
    }
    Ok(match read(leaf) {
        Err(error) => Some(Reason::Unusable(error.to_string())),
        Ok(certificate) => examine(&certificate, request, &authority, load::unix_seconds(now)),
    })
}

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Before that, clients refuse it.
    pub not_before: SystemTime,
    /// After that, clients refuse it.
    pub not_after: SystemTime,
}

/// How long a certificate that another authority made for `hosts` is good, or why it is none for them.
pub fn validity(leaf: &Pair, hosts: &[String]) -> Result<Validity, Reason> {
    if !leaf.certificate.exists() || !leaf.key.exists() {
        return Err(Reason::Missing);
    }
    let certificate = read(leaf).map_err(|error| Reason::Unusable(error.to_string()))?;
    let missing: Vec<_> = hosts
        .iter()
        .filter(|host| !certificate.covers_name(host))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(Reason::NotCovered(missing));
    }
    Ok(Validity {
        not_before: system_time(certificate.not_before),
        not_after: system_time(certificate.not_after),
    })
}

/// Whether the first certificate of a file was signed by nobody but itself.
pub fn is_self_signed(certificate: &Path) -> bool {
    load::chain(certificate).is_ok_and(|chain| chain[0].is_self_signed())
}

fn system_time(seconds: i64) -> SystemTime {
    // Before 1970 is long ago enough.
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn read(leaf: &Pair) -> Result<Certificate, LoadError> {
    let certificate = load::chain(&leaf.certificate)?.swap_remove(0);
    match load::belongs(&certificate, load::private_key(&leaf.key)?, &leaf.key)? {
        true => Ok(certificate),
        false => Err(LoadError::WrongKey {
            key: leaf.key.clone(),
            certificate: leaf.certificate.clone(),
        }),
    }
}

fn examine(leaf: &Certificate, request: &LeafRequest, authority: &Certificate, now: i64) -> Option<Reason> {
    if !leaf.names_as_issuer(authority) || !leaf.is_signed_by(authority) {
        return Some(Reason::OtherAuthority);
    }
    if now < leaf.not_before {
        return Some(Reason::NotYetValid);
    }
    // A leaf that lives shorter than that is renewed in its last third, not for ever.
    let window = (i64::from(RENEW_BEFORE_DAYS) * DAY).min((leaf.not_after - leaf.not_before) / 3);
    let left = leaf.not_after - now;
    if left < window {
        return Some(Reason::Expires {
            days: left.div_euclid(DAY),
        });
    }
    let missing = not_covered(leaf, request);
    (!missing.is_empty()).then_some(Reason::NotCovered(missing))
}

fn not_covered(leaf: &Certificate, request: &LeafRequest) -> Vec<String> {
    let names = request.names.iter().filter(|name| !leaf.covers_name(name.as_str()));
    let addresses = request
        .addresses
        .iter()
        .filter(|address| !leaf.covers_address(**address));
    names
        .map(ToString::to_string)
        .chain(addresses.map(ToString::to_string))
        .collect()
}
