//! Where to listen.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address or a socket to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port` or `:port` (host empty or `[::]`: every address, IPv4 and IPv6).
    Tcp {
        /// Name or address without brackets; empty = every address.
        host: String,
        /// 0 = any free port.
        port: u16,
    },
    /// `unix:PATH`, or `http.net: unix` with a path.
    Unix(PathBuf),
}

/// A text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has no port, as in `foo`.
    #[error("expected host:port, :port or unix:PATH, with brackets around an IPv6 address")]
    Malformed,
    /// It is a port without the colon, as in `5000`.
    #[error("expected host:port, :port or unix:PATH; did you mean :{0}?")]
    PortAlone(u16),
    /// The port is none that exists, as in `:99999`.
    #[error("expected a port of at most 65535")]
    Port,
}

impl Address {
    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
        }
    }

    /// Whether it is every address of this machine, IPv4 and IPv6: an empty host, and `[::]` as with Go, whatever
    /// `net.ipv6.bindv6only` says.
    pub fn is_every_address(&self) -> bool {
        match self {
            Self::Unix(_) => false,
            Self::Tcp { host, .. } => host.is_empty() || host.parse() == Ok(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// Whether both cannot be listened on at once.
    pub(crate) fn collides_with(&self, other: &Address) -> bool {
        match (self, other) {
            (Self::Tcp { port: 0, .. }, _) => false,
            (Self::Tcp { host: a, port: p }, Self::Tcp { host: b, port: q }) => {
                p == q && (a == b || self.is_every_address() || other.is_every_address() || is_every_ipv4(a, b))
            }
            (a, b) => a == b,
        }
    }
}

/// Whether one is every IPv4 address, and the other one of them.
fn is_every_ipv4(a: &str, b: &str) -> bool {
    let [a, b] = [a, b].map(|host| host.parse::<Ipv4Addr>().ok());
    a.zip(b).is_some_and(|(a, b)| a.is_unspecified() || b.is_unspecified())
}

/// By the rules of Go's `net.Listen("tcp", ...)`, with the port names that anybody uses, and `unix:PATH`.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(AddressError::Malformed)
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| without_colon(text))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or(AddressError::Malformed)?;
                let address = inner.split_once('%').map_or(inner, |(address, _zone)| address);
                address.parse::<Ipv6Addr>().map_err(|_| AddressError::Malformed)?;
                inner
            }
            None => name(host)?,
        };
        Ok(Self::Tcp {
            host: host.to_owned(),
            port: port_number(port)?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A host name, an IPv4 address, or nothing.
fn name(host: &str) -> Result<&str, AddressError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.chars().all(fits) {
        Ok(host)
    } else {
        Err(AddressError::Malformed)
    }
}

fn without_colon(text: &str) -> AddressError {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if is_number => AddressError::PortAlone(port),
        _ => AddressError::Malformed,
    }
}

fn port_number(port: &str) -> Result<u16, AddressError> {
    match port {
        "http" => Ok(80),
        "https" => Ok(443),
        _ if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().map_err(|_| AddressError::Port)
        }
        _ => Err(AddressError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp {
            host: host.into(),
            port,
        }
    }

    // part of: MOSI-08, HOMELAB-06
    #[test]
    fn reads_every_form() {
        for (text, address) in [
            (":5000", tcp("", 5000)),
            ("0.0.0.0:443", tcp("0.0.0.0", 443)),
            ("[::]:443", tcp("::", 443)),
            ("[fe80::1%eth0]:80", tcp("fe80::1%eth0", 80)),
            ("localhost:0", tcp("localhost", 0)),
            ("unix:/run/registry.sock", Address::Unix("/run/registry.sock".into())),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()));
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(":https".parse(), Ok(tcp("", 443)));
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "5000",
            "foo",
            "foo:",
            ":65536",
            ":+80",
            "::1:80",
            "[::1]",
            "[::1:80",
            "[foo]:80",
            "http://x:80",
            "unix:",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_is_told_from_an_address() {
        for (text, expected) in [
            ("28444", AddressError::PortAlone(28444)),
            (":99999", AddressError::Port),
            ("127.0.0.1:65536", AddressError::Port),
            ("[::]:100000000000000000000", AddressError::Port),
            ("99999", AddressError::Malformed),
            ("+80", AddressError::Malformed),
            ("", AddressError::Malformed),
            (":+80", AddressError::Malformed),
        ] {
            assert_eq!(text.parse::<Address>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn every_address_is_of_both_families() {
        for (text, every) in [
            (":5000", true),
            ("[::]:5000", true),
            ("[0:0:0:0:0:0:0:0]:5000", true),
            ("0.0.0.0:5000", false),
            ("[::1]:5000", false),
            ("localhost:5000", false),
            ("unix:/x", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_every_address(), every, "{text}");
        }
    }

    #[test]
    fn knows_what_the_network_reaches() {
        for local in [
            "localhost:5000",
            "127.0.0.1:5000",
            "127.8.8.8:1",
            "[::1]:5000",
            "unix:/x",
        ] {
            assert!(local.parse::<Address>().unwrap().is_loopback(), "{local}");
        }
        for open in [
            ":5000",
            "0.0.0.0:5000",
            "[::]:5000",
            "10.0.0.1:5000",
            "registry.example.com:443",
        ] {
            assert!(!open.parse::<Address>().unwrap().is_loopback(), "{open}");
        }
    }

    #[test]
    fn collisions() {
        assert!(tcp("", 80).collides_with(&tcp("127.0.0.1", 80)));
        assert!(!tcp("10.0.0.1", 80).collides_with(&tcp("127.0.0.1", 80)));
        assert!(!tcp("", 0).collides_with(&tcp("", 0)));
        for (one, other, collide) in [
            ("::", "127.0.0.1", true),
            ("0.0.0.0", "::", true),
            ("0.0.0.0", "127.0.0.1", true),
            ("0.0.0.0", "::1", false),
            ("::1", "127.0.0.1", false),
        ] {
            assert_eq!(tcp(one, 80).collides_with(&tcp(other, 80)), collide, "{one} {other}");
            assert_eq!(tcp(other, 80).collides_with(&tcp(one, 80)), collide, "{other} {one}");
        }
        assert!(Address::Unix("/a".into()).collides_with(&Address::Unix("/a".into())));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in "(\\[[0-9a-f:]{0,20}\\]|[a-z0-9.-]{0,12}):[0-9]{1,6}|\\PC{0,20}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
