use std::fmt;
use std::path::{Path, PathBuf};

use super::kind::CertificateKind;
use crate::x509::Certificate;
use crate::x509::load;

pub(super) const DAY: i64 = 24 * 60 * 60;

/// Apple's platforms refuse server certificates that are valid longer, whoever issued them, when they were issued after
/// June 2019 (support.apple.com/103769). The bound of 398 days holds for authorities that Apple ships.
const APPLE_DAYS: i64 = 825;

/// 2019-07-01, the first day of that rule.
const APPLE_SINCE: i64 = 1_561_939_200;

/// Something that will fail with a certificate, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The subjectAltName extension is missing or empty.
    NoNames,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The key belongs to another certificate.
    WrongKey {
        /// The file of the key.
        key: PathBuf,
    },
    /// The issuer's certificate does not follow in the file, and the issuer is no root that is known here.
    MissingIntermediate {
        /// The subject of the certificate that is missing.
        issuer: String,
    },
    /// The file's certificates are in the wrong order.
    WrongOrder {
        /// What is wrong with the order, in words.
        reason: String,
    },
    /// Valid longer than Apple's platforms accept.
    TooLongForApple {
        /// How long it is valid.
        days: i64,
    },
    /// The host that was asked for is not among the names.
    HostNotCovered {
        /// The host that was asked for.
        host: String,
    },
    /// The extendedKeyUsage extension excludes servers.
    NotForServers,
    /// An RSA key that is too short.
    WeakKey {
        /// The kind and size of the key, as in `RSA 1024`.
        key: String,
    },
    /// The signature is made with SHA-1.
    Sha1,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNames => f.write_str(
                "Every client: it names no host in subjectAltName. Docker and all programs written in Go ignore the \
                 common name. Issue it again with the host names and addresses.",
            ),
            Self::Expired => f.write_str("Every client: it has expired. Issue it again."),
            Self::NotYetValid => f.write_str("Every client: it is not valid yet. Is this machine's clock right?"),
            Self::WrongKey { key } => write!(
                f,
                "The registry will not start with it: the key in {} belongs to another certificate.",
                key.display()
            ),
            Self::MissingIntermediate { issuer } => write!(
                f,
                "Clients that do not trust {issuer} directly: its certificate is missing. If it is an intermediate \
                 authority, append its certificate to the file."
            ),
            Self::WrongOrder { reason } => write!(
                f,
                "Some clients: {reason}. Put the server's own first, then each issuer."
            ),
            Self::TooLongForApple { days } => write!(
                f,
                "Apple's platforms: it is valid for {days} days; {APPLE_DAYS} is the most that they accept."
            ),
            Self::HostNotCovered { host } => {
                write!(
                    f,
                    "Every client that connects to {host}: the certificate is not valid for it."
                )
            }
            Self::NotForServers => f.write_str("Every client: extendedKeyUsage does not include serverAuth."),
            Self::WeakKey { key } => write!(
                f,
                "Present clients: the key ({key}) is too short; 2048 bits is the least."
            ),
            Self::Sha1 => f.write_str("Present clients: it is signed with SHA-1, which they refuse."),
        }
    }
}

/// What is wrong with a chain by itself, the worst first.
pub(super) fn of_chain(chain: &[Certificate], path: &Path, kind: CertificateKind, now: i64) -> Vec<Problem> {
    let leaf = &chain[0];
    let mut problems = Vec::new();
    if now > leaf.not_after {
        problems.push(Problem::Expired);
    } else if now < leaf.not_before {
        problems.push(Problem::NotYetValid);
    }
    let self_signed = leaf.is_self_signed();
    if kind != CertificateKind::Authority {
        of_server(leaf, &mut problems);
    }
    if leaf.key.too_short {
        problems.push(Problem::WeakKey {
            key: leaf.key.text.clone(),
        });
    }
    if leaf.signature_is_sha1 && !self_signed {
        problems.push(Problem::Sha1);
    }
    match load::check_order(chain, path) {
        Err(error) => problems.push(Problem::WrongOrder {
            reason: error.to_string(),
        }),
        Ok(()) => problems.extend(missing_issuer(chain, self_signed)),
    }
    problems
}

fn of_server(leaf: &Certificate, problems: &mut Vec<Problem>) {
    if leaf.names.is_empty() && leaf.addresses.is_empty() {
        problems.push(Problem::NoNames);
    }
    if !leaf.for_servers {
        problems.push(Problem::NotForServers);
    }
    let days = (leaf.not_after - leaf.not_before) / DAY;
    if days > APPLE_DAYS && leaf.not_before >= APPLE_SINCE {
        problems.push(Problem::TooLongForApple { days });
    }
}

/// A lone leaf that an authority signed works where that authority is trusted and nowhere else.
fn missing_issuer(chain: &[Certificate], self_signed: bool) -> Option<Problem> {
    let alone = chain.len() == 1 || !chain[1..].iter().any(|other| chain[0].names_as_issuer(other));
    (alone && !self_signed).then(|| Problem::MissingIntermediate {
        issuer: chain[0].issuer.clone(),
    })
}
