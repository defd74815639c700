//! What a service definition is made of, for every service manager.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use lockgate_config::{Address, Config, FileAccess, Home};

use crate::configuration::stop_time::kill_after;

/// The name of the unit without its suffix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitName(String);

/// Names by systemd.unit(5), without the characters that mean something: `@` an instance, `\` an escape.
impl FromStr for UnitName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        match !text.is_empty() && text.len() <= 200 && text.bytes().all(plain) && !text.starts_with(['-', '.']) {
            true => Ok(Self(text.to_owned())),
            false => Err("expected letters, digits, - and _, such as lockgate"),
        }
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether it is the machine's service or one user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceScope {
    /// The machine's; installed by root, started at boot.
    System,
    /// One user's; started when they log in, or at boot when they linger.
    User,
}

/// A socket that the service manager opens and hands down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SocketUnit {
    /// Added to the unit's name; empty for the public one, so that it belongs to the service by its name.
    pub(crate) suffix: &'static str,
    /// Among `LISTEN_FDNAMES`.
    pub(crate) name: &'static str,
    /// `ListenStream=`
    pub(crate) stream: String,
}

/// An address that systemd cannot open.
#[derive(Debug, thiserror::Error)]
#[error(
    "{key} = {address}: systemd opens sockets by address and port; write an IP address, or :port for every address"
)]
pub(crate) struct SocketUnitError {
    key: &'static str,
    address: String,
}

/// A service, as a service manager runs it.
#[derive(Debug, Clone)]
pub(crate) struct ServiceDefinition {
    pub(crate) name: UnitName,
    pub(crate) scope: ServiceScope,
    /// The absolute path of the binary.
    pub(crate) program: PathBuf,
    pub(crate) home: Home,
    /// A configuration that is not the home's own.
    pub(crate) config: Option<PathBuf>,
    /// `http.draintimeout`
    pub(crate) drain: Duration,
    /// Paths outside the home that it writes.
    pub(crate) writes: Vec<PathBuf>,
    /// Other paths that it reads.
    pub(crate) reads: Vec<PathBuf>,
    /// Sockets that systemd opens for it.
    pub(crate) sockets: Vec<SocketUnit>,
}

impl ServiceDefinition {
    /// Adds the paths and the drain time of `configuration`.
    #[must_use]
    pub(crate) fn with(mut self, configuration: &Config) -> Self {
        self.drain = configuration.http.drain_timeout;
        self.writes = written(configuration);
        self.reads = read(configuration);
        self
    }

    /// After how many seconds a service that is stopped is killed.
    pub(super) fn stop_seconds(&self) -> u64 {
        kill_after(self.drain).as_secs()
    }

    /// Has systemd open the sockets of `configuration`.
    pub(crate) fn with_sockets(mut self, configuration: &Config) -> Result<Self, SocketUnitError> {
        let http = &configuration.http;
        let redirect = http.redirect_https.as_ref().map(|address| {
            (
                "-redirect",
                crate::os::listen_fds::REDIRECT_NAME,
                "http.redirecthttps",
                address,
            )
        });
        let all = [("", crate::os::listen_fds::PUBLIC_NAME, "http.addr", &http.addr)];
        self.sockets = all
            .into_iter()
            .chain(redirect)
            .map(|(suffix, name, key, address)| {
                let stream = stream(address).ok_or_else(|| SocketUnitError {
                    key,
                    address: address.to_string(),
                })?;
                Ok(SocketUnit { suffix, name, stream })
            })
            .collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// The unit's file name, such as `lockgate.service`.
    pub(crate) fn service_name(&self) -> String {
        format!("{}.service", self.name)
    }

    /// The socket unit's file name, such as `lockgate.socket`.
    pub(crate) fn socket_name(&self, socket: &SocketUnit) -> String {
        format!("{}{}.socket", self.name, socket.suffix)
    }

    /// `--home` and `--config`, with their values.
    pub(crate) fn places(&self) -> Vec<&Path> {
        let mut places = vec![Path::new("--home"), self.home.root()];
        if let Some(config) = &self.config {
            places.extend([Path::new("--config"), config]);
        }
        places
    }

    /// Every path that the service uses.
    pub(crate) fn touched(&self) -> impl Iterator<Item = &Path> {
        let own = [self.program.as_path(), self.home.root()];
        let others = self.config.iter().chain(&self.writes).chain(&self.reads);
        own.into_iter().chain(others.map(PathBuf::as_path))
    }
}

/// `ListenStream=` of systemd.socket(5): a port alone is every address of both families.
fn stream(address: &Address) -> Option<String> {
    match address {
        Address::Tcp { port: 0, .. } | Address::Unix(_) => None,
        Address::Tcp { port, .. } if address.is_every_address() => Some(port.to_string()),
        Address::Tcp { host, .. } => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<IpAddr>().ok().map(|_| address.to_string())
        }
    }
}

fn written(config: &Config) -> Vec<PathBuf> {
    let made = config
        .files()
        .into_iter()
        .filter(|named| named.role.access() == FileAccess::Write);
    let mut all: Vec<_> = made
        .filter_map(|named| match named.role.is_directory() {
            true => Some(named.path.to_owned()),
            // Replaced as a whole, so its directory is written.
            false => named.path.parent().map(Path::to_owned),
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

fn read(config: &Config) -> Vec<PathBuf> {
    let named = config
        .files()
        .into_iter()
        .filter(|named| named.role.access() == FileAccess::Read);
    std::iter::once(config.path.clone())
        .chain(named.map(|named| named.path.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_to_systemd_are_refused() {
        for name in ["lockgate", "lockgate-test_2", "a.b"] {
            assert_eq!(name.parse::<UnitName>().unwrap().to_string(), name);
        }
        for name in ["", "../x", "a/b", "a@b", "a b", "-x", "%i", "a\\x2d"] {
            assert!(name.parse::<UnitName>().is_err(), "{name}");
        }
    }

    #[test]
    fn addresses_become_streams() {
        for (address, expected) in [
            (":443", Some("443")),
            ("[::]:443", Some("443")),
            ("127.0.0.1:5000", Some("127.0.0.1:5000")),
            ("[::1]:443", Some("[::1]:443")),
            ("registry.example.com:443", None),
            ("unix:/run/x", None),
            (":0", None),
        ] {
            assert_eq!(stream(&address.parse().unwrap()).as_deref(), expected, "{address}");
        }
    }
}
