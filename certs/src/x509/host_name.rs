use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A DNS name that a certificate can hold: lower case, ASCII, at most a leading `*` label as wildcard.
///
/// RFC 1034 section 3.5 with RFC 1123 section 2.1 (a label may begin with a digit), RFC 6125 section 6.4.3 for the
/// wildcard, and `_` inside labels, which container and Windows networks use and every client at hand accepts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a certificate with this name is good for `host`. A wildcard covers exactly one label.
    pub fn covers(&self, host: &str) -> bool {
        match self.0.strip_prefix("*.") {
            None => self.0.eq_ignore_ascii_case(host),
            Some(parent) => host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && label != "*" && rest.eq_ignore_ascii_case(parent)),
        }
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |problem| {
            Err(HostNameError {
                name: text.to_owned(),
                problem,
            })
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.parse::<IpAddr>().is_ok() {
            return refuse("it is an address, not a name");
        }
        if !text.is_ascii() {
            return refuse("write an international name in its ASCII form (xn--...)");
        }
        if text.len() > 253 {
            return refuse("it is longer than 253 characters");
        }
        let plain = text.strip_prefix("*.").unwrap_or(text);
        for label in plain.split('.') {
            if let Err(problem) = check_label(label) {
                return refuse(problem);
            }
        }
        // RFC 1123 section 2.1: the last label is alphabetic, so that a name is never taken for an address.
        let last = plain.rsplit('.').next().unwrap_or(plain);
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse("its last part is a number, as in an address");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a [`HostName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a host name: {problem}")]
pub struct HostNameError {
    /// The text that is no host name.
    pub name: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

fn check_label(label: &str) -> Result<(), &'static str> {
    if label.is_empty() {
        return Err("it has an empty part between dots");
    }
    if label.len() > 63 {
        return Err("a part between dots is longer than 63 characters");
    }
    if label.contains('*') {
        return Err("a wildcard stands alone and first, as in *.example.com");
    }
    if !label
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    {
        return Err("it may hold letters, digits, hyphens and dots only (no scheme, port or path)");
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("a part between dots begins or ends with a hyphen");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_and_lowers_their_case() {
        for (text, name) in [
            ("localhost", "localhost"),
            ("Registry.Example.COM", "registry.example.com"),
            ("*.example.com", "*.example.com"),
            ("my_host", "my_host"),
            ("3com.example", "3com.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_what_no_certificate_may_hold() {
        let long = "a".repeat(64);
        for text in [
            "",
            "10.0.0.1",
            "::1",
            "host:5000",
            "https://host",
            "a..b",
            ".a",
            "a.",
            "-a",
            "a-",
            "*",
            "a.*.b",
            "b*.c",
            "bücher.example",
            "a b",
            "1.2.3",
            "a\0b",
            long.as_str(),
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let wildcard: HostName = "*.example.com".parse().unwrap();
        assert!(wildcard.covers("a.example.com"));
        assert!(wildcard.covers("A.EXAMPLE.com"));
        assert!(!wildcard.covers("example.com"));
        assert!(!wildcard.covers("a.b.example.com"));
        assert!(!wildcard.covers(".example.com"));
        let plain: HostName = "example.com".parse().unwrap();
        assert!(plain.covers("Example.com"));
        assert!(!plain.covers("a.example.com"));
    }
}
