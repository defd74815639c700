//! The URL that clients use.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// `http.host`: scheme, host and port that clients use. Displays as `https://host[:port]`, without a default port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// `https` or `http`.
    pub scheme: String,
    /// Host, with brackets when IPv6.
    pub host: String,
    /// `None` when it is the scheme's own.
    pub port: Option<u16>,
}

/// A text that is no URL of a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// `registry.example.com`
    #[error("expected https://host or https://host:port: the scheme is missing")]
    NoScheme,
    /// `https://host/registry/`
    #[error("expected https://host or https://host:port, without a path; a path prefix belongs into http.prefix")]
    Path,
    /// `https://host:99999`
    #[error("expected a port of 1 to 65535")]
    Port,
    /// It is no URL at all, or one with a query, a user or the like.
    #[error("expected https://host or https://host:port")]
    Malformed,
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(PublicUrlError::NoScheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let default = default_port(&scheme).ok_or(PublicUrlError::Malformed)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('/') {
            return Err(PublicUrlError::Path);
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let port = match port {
            None => None,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(
                digits
                    .parse::<u16>()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or(PublicUrlError::Port)?,
            ),
            Some(_) => return Err(PublicUrlError::Malformed),
        };
        let host = host.to_ascii_lowercase();
        if !is_host(&host) {
            return Err(PublicUrlError::Malformed);
        }
        Ok(Self {
            scheme,
            host,
            port: port.filter(|port| *port != default),
        })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            Some(port) if Some(port) != default_port(&self.scheme) => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()),
        None => {
            let label = |label: &str| {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
                (1..=63).contains(&label.len()) && label.bytes().all(fits)
            };
            host.len() <= 253 && host.split('.').all(label)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // part of: MOSI-07
    #[test]
    fn omits_the_default_port() {
        for (text, shown) in [
            ("https://registry.example.com", "https://registry.example.com"),
            ("https://registry.example.com:443/", "https://registry.example.com"),
            ("http://registry.example.com:80", "http://registry.example.com"),
            ("http://registry.example.com:443", "http://registry.example.com:443"),
            ("HTTPS://Registry.Example.com:5043", "https://registry.example.com:5043"),
            ("https://[::1]:5000", "https://[::1]:5000"),
            ("https://[::1]", "https://[::1]"),
            ("https://10.0.0.1", "https://10.0.0.1"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn refuses_the_rest() {
        for (text, error) in [
            ("registry.example.com", PublicUrlError::NoScheme),
            ("https://registry.example.com/path/", PublicUrlError::Path),
            ("https://user:pw@registry.example.com", PublicUrlError::Malformed),
            ("ftp://registry.example.com", PublicUrlError::Malformed),
            ("https://", PublicUrlError::Malformed),
            ("https://:443", PublicUrlError::Malformed),
            ("https://host:0", PublicUrlError::Port),
            ("https://host:99999", PublicUrlError::Port),
            ("https://host:", PublicUrlError::Malformed),
            ("https://host?x", PublicUrlError::Malformed),
            ("https://::1", PublicUrlError::Malformed),
            ("https://a..b", PublicUrlError::Malformed),
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in "https?://[a-z0-9.\\[\\]:-]{0,20}(:[0-9]{1,6})?/?") {
            if let Ok(url) = text.parse::<PublicUrl>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }
    }
}
