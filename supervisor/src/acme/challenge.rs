//! How a host name is proven: the choice of a challenge, and its answer where the proxy finds it.

use std::fmt;
use std::path::{Path, PathBuf};

use instant_acme::{ChallengeType, KeyAuthorization};
use lockgate_certs::challenge;
use lockgate_files::UidGid;

/// The challenges that a registry can answer by itself (RFC 8555 section 8.3, RFC 8737).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChallengeKind {
    /// HTTP-01: a file on port 80.
    Http,
    /// TLS-ALPN-01: a certificate on port 443.
    TlsAlpn,
}

impl ChallengeKind {
    pub(super) fn acme(self) -> ChallengeType {
        match self {
            Self::Http => ChallengeType::Http01,
            Self::TlsAlpn => ChallengeType::TlsAlpn01,
        }
    }
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http-01",
            Self::TlsAlpn => "tls-alpn-01",
        })
    }
}

/// The challenges to try, the preferred one first. `port` is that of the TLS listener; `plain`: whether there is a plain
/// one (`http.redirecthttps`). A router may map ports in ways that are unknown here, so each failure swaps the order.
pub(super) fn preference(port: u16, plain: bool, failures: u32) -> Vec<ChallengeKind> {
    let mut kinds = match (plain, port) {
        (false, _) => return vec![ChallengeKind::TlsAlpn],
        (true, 443) => vec![ChallengeKind::TlsAlpn, ChallengeKind::Http],
        (true, _) => vec![ChallengeKind::Http, ChallengeKind::TlsAlpn],
    };
    if failures % 2 == 1 {
        kinds.reverse();
    }
    kinds
}

/// Answers challenges, and removes all answers when it is dropped.
#[derive(Debug)]
pub(super) struct ChallengeResponder {
    directory: PathBuf,
    owner: Option<UidGid>,
}

impl ChallengeResponder {
    /// Answers in `directory`, which is emptied first: a crash may have left something. Keys belong to `owner`.
    pub(super) fn new(directory: &Path, owner: Option<UidGid>) -> Self {
        let responder = Self {
            directory: directory.to_owned(),
            owner,
        };
        responder.clear();
        responder
    }

    /// Answers the challenge of `kind` for `host`.
    pub(super) fn put(
        &self,
        kind: ChallengeKind,
        host: &str,
        token: &str,
        authorization: &KeyAuthorization,
    ) -> Result<(), challenge::AcmeChallengeError> {
        match kind {
            ChallengeKind::Http => challenge::put_token(&self.directory, token, authorization.as_str()).map(drop),
            ChallengeKind::TlsAlpn => {
                challenge::put_certificate(&self.directory, host, authorization.digest().as_ref(), self.owner).map(drop)
            }
        }
    }

    fn clear(&self) {
        if let Err(error) = challenge::clear(&self.directory) {
            tracing::warn!("{}: cannot remove old challenges: {error}", self.directory.display());
        }
    }
}

impl Drop for ChallengeResponder {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_fits_the_listeners_and_changes_after_a_failure() {
        use ChallengeKind::{Http, TlsAlpn};
        for (port, plain, failures, expected) in [
            (443, false, 0, &[TlsAlpn][..]),
            (5443, false, 1, &[TlsAlpn]),
            (443, true, 0, &[TlsAlpn, Http]),
            (443, true, 1, &[Http, TlsAlpn]),
            (443, true, 2, &[TlsAlpn, Http]),
            (5443, true, 0, &[Http, TlsAlpn]),
            (5443, true, 1, &[TlsAlpn, Http]),
        ] {
            assert_eq!(preference(port, plain, failures), expected);
        }
    }
}
