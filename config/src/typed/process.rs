//! `process`: the users that the two processes run as when they are started as root.

use std::fmt;
use std::str::FromStr;

use super::section::Section;

/// `process`, an extension. Unset means an unprivileged default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Process {
    /// `proxyuser`
    pub proxy_user: Option<AccountId>,
    /// `registryuser`
    pub registry_user: Option<AccountId>,
    /// `group`: what both share, to read blobs and each other's sockets.
    pub group: Option<AccountId>,
}

/// A user or a group: a name that the system's database has, or a number that it need not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountId {
    /// `lockgate-proxy`
    Name(String),
    /// `65532`
    Number(u32),
}

impl Process {
    pub(crate) fn read(process: &Section<'_>) -> Self {
        Self {
            proxy_user: process.parse("proxyuser"),
            registry_user: process.parse("registryuser"),
            group: process.parse("group"),
        }
    }
}

impl FromStr for AccountId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // setreuid(2): the highest number means "leave it as it is".
        match text.parse() {
            Ok(u32::MAX) => Err("expected a number below 4294967295"),
            Ok(number) => Ok(Self::Number(number)),
            Err(_) if text.contains([':', '/', '\n', '\0']) || text.starts_with('-') => {
                Err("expected a name, or a number from 0 up")
            }
            Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_a_number() {
        assert_eq!("0".parse(), Ok(AccountId::Number(0)));
        assert_eq!("www-data".parse(), Ok(AccountId::Name("www-data".to_owned())));
        for wrong in ["4294967295", "-1", "a:b", "/etc/passwd"] {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }
}
