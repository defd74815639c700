//! Whether a certificate is an authority's or a server's.

use std::fmt;
use std::net::IpAddr;

use crate::x509::{Certificate, HostName};

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// It signs the certificates of others.
    Authority,
    /// It is a server's, and signed by its own key.
    SelfSigned,
    /// It is a server's, and signed by an authority.
    Leaf,
}

impl fmt::Display for CertificateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "a certificate authority: signs the certificates of servers",
            Self::SelfSigned => "a server's certificate, signed by itself: clients trust this very file",
            Self::Leaf => "a server's certificate, signed by an authority",
        })
    }
}

/// An authority by its extensions, unless it is meant to serve. `openssl req -x509` marks everything CA:TRUE, so that a
/// certificate without keyUsage whose common name is a host, or that is shown with its key, is taken for a server's.
pub(super) fn kind(leaf: &Certificate, with_key: bool, with_host: bool) -> CertificateKind {
    let names_hosts = !leaf.names.is_empty() || !leaf.addresses.is_empty();
    let serves = with_host || !leaf.signs_certificates && (with_key || is_host(leaf.common_name.as_deref()));
    match leaf.authority && !names_hosts && !serves {
        true => CertificateKind::Authority,
        false if leaf.is_self_signed() => CertificateKind::SelfSigned,
        false => CertificateKind::Leaf,
    }
}

fn is_host(common_name: Option<&str>) -> bool {
    common_name.is_some_and(|name| {
        name.parse::<IpAddr>().is_ok() || name == "localhost" || name.contains('.') && name.parse::<HostName>().is_ok()
    })
}
