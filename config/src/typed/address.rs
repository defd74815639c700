//! Where to listen.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port` or `:port` (host empty: every address, IPv4 and IPv6).
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
#[error("expected host:port, :port or unix:PATH, with brackets around an IPv6 address")]
pub struct AddressError;

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

    /// Whether both cannot be listened on at once.
    pub(crate) fn collides_with(&self, other: &Address) -> bool {
        match (self, other) {
            (Self::Tcp { port: 0, .. }, _) => false,
            (Self::Tcp { host: a, port: p }, Self::Tcp { host: b, port: q }) => {
                p == q && (a == b || a.is_empty() || b.is_empty())
            }
            (a, b) => a == b,
        }
    }
}

/// By the rules of Go's `net.Listen("tcp", ...)`, with the port names that anybody uses, and `unix:PATH`.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(AddressError)
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or(AddressError)?;
                let address = inner.split_once('%').map_or(inner, |(address, _zone)| address);
                address.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError)?;
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
        Err(AddressError)
    }
}

fn port_number(port: &str) -> Result<u16, AddressError> {
    match port {
        "http" => Ok(80),
        "https" => Ok(443),
        _ if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().map_err(|_| AddressError)
        }
        _ => Err(AddressError),
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
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
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
