//! Why the leaf that Lockgate keeps for itself must be issued again.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::leaf::LeafRequest;
use crate::x509::Certificate;
use crate::x509::load::{self, CertificateFiles, LoadError};

const DAY: i64 = 24 * 60 * 60;

/// A leaf of Lockgate's own authority is issued again this long before it ends: nobody limits how often, and the old one
/// is good for long enough to notice that it fails.
const OWN_LEAF_WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Why a new leaf is needed; as text, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewalReason {
    /// The certificate or its key is not there.
    Missing,
    /// The files are there and cannot be used.
    Unusable(String),
    /// It ends soon, as [`Validity::renew_at`] says, or has ended.
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

impl fmt::Display for RenewalReason {
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
    leaf: &CertificateFiles,
    request: &LeafRequest,
    authority: &Path,
    now: SystemTime,
) -> Result<Option<RenewalReason>, LoadError> {
    let authority = load::chain(authority)?.swap_remove(0);
    if !leaf.certificate.exists() || !leaf.key.exists() {
        return Ok(Some(RenewalReason::Missing));
    }
    Ok(match read(leaf) {
        Err(error) => Some(RenewalReason::Unusable(error.to_string())),
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

impl Validity {
    fn of(certificate: &Certificate) -> Self {
        Self {
            not_before: system_time(certificate.not_before),
            not_after: system_time(certificate.not_after),
        }
    }

    /// From when on it is to be renewed: when a third of its time is left, as ACME servers suggest too, and not before
    /// `window` is left where that is shorter. A share, so that a leaf that lives for days is not renewed for ever.
    pub fn renew_at(&self, window: Duration) -> SystemTime {
        let lifetime = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_after - (lifetime / 3).min(window)
    }
}

/// How long a certificate that another authority made for `hosts` is good, or why it is none for them.
pub fn validity(leaf: &CertificateFiles, hosts: &[String]) -> Result<Validity, RenewalReason> {
    if !leaf.certificate.exists() || !leaf.key.exists() {
        return Err(RenewalReason::Missing);
    }
    let certificate = read(leaf).map_err(|error| RenewalReason::Unusable(error.to_string()))?;
    let missing: Vec<_> = hosts
        .iter()
        .filter(|host| !certificate.covers_name(host))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(RenewalReason::NotCovered(missing));
    }
    Ok(Validity::of(&certificate))
}

/// Whether the first certificate of a file was signed by nobody but itself.
pub fn is_self_signed(certificate: &Path) -> bool {
    load::chain(certificate).is_ok_and(|chain| chain[0].is_self_signed())
}

fn system_time(seconds: i64) -> SystemTime {
    // Before 1970 is long ago enough.
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn read(leaf: &CertificateFiles) -> Result<Certificate, LoadError> {
    let certificate = load::chain(&leaf.certificate)?.swap_remove(0);
    match load::belongs(&certificate, load::private_key(&leaf.key)?, &leaf.key)? {
        true => Ok(certificate),
        false => Err(LoadError::WrongKey {
            key: leaf.key.clone(),
            certificate: leaf.certificate.clone(),
        }),
    }
}

fn examine(leaf: &Certificate, request: &LeafRequest, authority: &Certificate, now: i64) -> Option<RenewalReason> {
    if !leaf.names_as_issuer(authority) || !leaf.is_signed_by(authority) {
        return Some(RenewalReason::OtherAuthority);
    }
    if now < leaf.not_before {
        return Some(RenewalReason::NotYetValid);
    }
    if system_time(now) > Validity::of(leaf).renew_at(OWN_LEAF_WINDOW) {
        return Some(RenewalReason::Expires {
            days: (leaf.not_after - now).div_euclid(DAY),
        });
    }
    let missing = not_covered(leaf, request);
    (!missing.is_empty()).then_some(RenewalReason::NotCovered(missing))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_time_is_left_or_the_window_where_that_is_shorter() {
        let day = Duration::from_secs(24 * 60 * 60);
        let from = SystemTime::UNIX_EPOCH + 20_000 * day;
        for (days, window, expected) in [
            (6, Duration::MAX, 4),
            (90, Duration::MAX, 60),
            (6, OWN_LEAF_WINDOW, 4),
            (90, OWN_LEAF_WINDOW, 60),
            (398, OWN_LEAF_WINDOW, 368),
        ] {
            let validity = Validity {
                not_before: from,
                not_after: from + days * day,
            };
            assert_eq!(validity.renew_at(window), from + expected * day, "{days} days");
        }
        let backwards = Validity {
            not_before: from,
            not_after: from - day,
        };
        assert_eq!(backwards.renew_at(OWN_LEAF_WINDOW), backwards.not_after);
    }
}
