//! The registry that is to be trusted.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::shell::quoted;
use crate::x509::load::{self, LoadError};
use crate::x509::{Certificate, fingerprint};
use crate::x509::{HostName, HostNameError};

/// Where the proxy shows the authority's certificate to clients that do not trust it yet.
pub const CERTIFICATE_URL_PATH: &str = "/lockgate/ca.crt";

/// The port of https, which URLs leave out.
const HTTPS: u16 = 443;

/// How the names of a registry's images begin. The port is left out where it is the `usual` one of the scheme; but a
/// name without a dot is an account of Docker Hub then (`splitDockerDomain` in distribution's reference/normalize.go).
pub fn reference(host: &str, port: u16, usual: u16) -> String {
    let is_told_from_an_account = host == "localhost" || host.contains(['.', ':']);
    match port == usual && is_told_from_an_account {
        true => host.to_owned(),
        false => format!("{host}:{port}"),
    }
}

/// The host by which clients reach the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name of the DNS or of a hosts file.
    Name(HostName),
    /// An IP address.
    Address(IpAddr),
}

impl FromStr for Host {
    type Err = HostNameError;

    /// Brackets around an IPv6 address are allowed.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

/// As in a URL: IPv6 addresses in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// The registry that shall be trusted.
#[derive(Debug, Clone)]
pub struct Target {
    host: Host,
    port: u16,
    address: Option<IpAddr>,
    certificate: PathBuf,
    certificate_pem: String,
    fingerprint: String,
}

/// Why there are no instructions.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The host is no name that a certificate can hold.
    #[error(transparent)]
    Host(#[from] HostNameError),
    /// The certificate to trust cannot be read.
    #[error(transparent)]
    Certificate(#[from] LoadError),
}

impl Target {
    /// The registry at `host` and `port`. `address` is for the clients' hosts files when the name is in no DNS;
    /// `certificate` is what they shall trust: the authority's certificate, or a server's own that signed itself.
    pub fn new(host: &str, port: u16, address: Option<IpAddr>, certificate: &Path) -> Result<Self, TargetError> {
        let host: Host = host.parse()?;
        let chain = load::chain(certificate)?;
        // A file with a whole chain: the last one vouches for the others.
        let trusted: &Certificate = chain.last().unwrap_or(&chain[0]);
        Ok(Self {
            host,
            port,
            address,
            certificate: std::path::absolute(certificate).unwrap_or_else(|_| certificate.to_owned()),
            certificate_pem: load::to_pem(&trusted.der),
            fingerprint: fingerprint(&trusted.der),
        })
    }

    /// What clients shall trust, one PEM certificate.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The SHA-256 fingerprint to compare, `AA:BB:..`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// As image references name it.
    pub fn reference(&self) -> String {
        reference(&self.host.to_string(), self.port, HTTPS)
    }

    /// Names of certs.d directories. Clients look for exactly what the reference says, and `host` and `host:443` are
    /// two references for one registry.
    pub(super) fn directories(&self) -> Vec<String> {
        match self.port {
            HTTPS => vec![self.host.to_string(), format!("{}:{HTTPS}", self.host)],
            port => vec![format!("{}:{port}", self.host)],
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        match self.port {
            HTTPS => format!("https://{}{path}", self.host),
            port => format!("https://{}:{port}{path}", self.host),
        }
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The certificate's file on this machine.
    pub(super) fn file(&self) -> &Path {
        &self.certificate
    }

    /// The same, quoted for a POSIX shell.
    pub(super) fn quoted_file(&self) -> String {
        quoted(&self.certificate.to_string_lossy())
    }

    /// `192.168.1.2 registry`, when the host is a name and its address is known.
    pub(super) fn hosts_line(&self) -> Option<String> {
        match (&self.host, self.address) {
            (Host::Name(name), Some(address)) => Some(format!("{address} {name}")),
            _ => None,
        }
    }

    /// A file name for trust stores that hold certificates of many origins.
    pub(super) fn store_name(&self) -> String {
        let host = self.host.to_string().replace(':', "-");
        format!("lockgate-{}-{}.crt", host.trim_matches(['[', ']']), self.port)
    }
}
