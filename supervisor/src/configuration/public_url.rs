//! The URL by which clients reach the registry: for people, so it always has a host. `lockgate_config::PublicUrl` is
//! what `http.host` says.

use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use lockgate_certs::{machine, trust};
use lockgate_config::{Address, Config, Tls};

/// A resolver that does not answer must not keep the banner waiting.
const RESOLVER_TIMEOUT: Duration = Duration::from_millis(300);

/// Scheme, host and port that clients use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    scheme: String,
    /// With brackets when it is an IPv6 address.
    host: String,
    port: u16,
}

impl PublicUrl {
    /// `http.host`, else the first of `hosts`, else the first that a certificate is ordered for, else the one address
    /// that is listened on, else the machine's name when it leads here, else `localhost`.
    pub(crate) fn of(config: &Config, hosts: &[String], address: &Address) -> Self {
        let scheme = if config.http.tls.is_some() { "https" } else { "http" };
        if let Some(url) = &config.http.host {
            let port = url.port.unwrap_or_else(|| default_port(&url.scheme));
            return Self {
                scheme: url.scheme.clone(),
                host: url.host.clone(),
                port,
            };
        }
        let (listened, port) = match address {
            Address::Tcp { host, port } => (host.as_str(), *port),
            Address::Unix(_) => ("", default_port(scheme)),
        };
        let ordered = config
            .http
            .tls
            .as_ref()
            .and_then(Tls::acme)
            .and_then(|acme| acme.hosts.first());
        let host = match (hosts.first().or(ordered), listened) {
            (Some(host), _) => host.clone(),
            (None, _) if address.is_loopback() => "localhost".to_owned(),
            (None, "" | "0.0.0.0" | "::") => machine_name().unwrap_or_else(|| "localhost".to_owned()),
            (None, listened) => listened.to_owned(),
        };
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host
        };
        Self {
            scheme: scheme.to_owned(),
            host,
            port,
        }
    }

    /// `host` or `host:port`, as the names of images begin.
    pub(crate) fn reference(&self) -> String {
        trust::reference(&self.host, self.port, default_port(&self.scheme))
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port, which may be the scheme's own.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port == default_port(&self.scheme) {
            true => Ok(()),
            false => write!(f, ":{}", self.port),
        }
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// The machine's name, when it leads to this machine.
fn machine_name() -> Option<String> {
    let name = machine::machine_names()
        .into_iter()
        .map(|name| name.to_string())
        .find(|name| name != "localhost")?;
    let (send, receive) = mpsc::channel();
    let asked = name.clone();
    std::thread::spawn(move || {
        let found = (asked.as_str(), 0)
            .to_socket_addrs()
            .map(|found| found.map(|address| address.ip()).collect());
        // Nobody receives it when it is too late.
        let _ = send.send(found.unwrap_or_default());
    });
    let found: Vec<IpAddr> = receive.recv_timeout(RESOLVER_TIMEOUT).ok()?;
    let own = machine::machine_addresses();
    found
        .iter()
        .any(|address| address.is_loopback() || own.contains(address))
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, hosts: &[&str], address: &str) -> PublicUrl {
        let config = Config::parse(std::path::Path::new("/c/config.yml"), text.as_bytes(), &[]).unwrap();
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        PublicUrl::of(&config, &hosts, &address.parse().unwrap())
    }

    fn reach(text: &str, hosts: &[&str], address: &str) -> String {
        found(text, hosts, address).to_string()
    }

    #[test]
    fn the_most_explicit_name_wins() {
        // proves: MOSI-07
        let plain = "version: 0.1\nstorage: {filesystem: {rootdirectory: d}}\nhttp: {addr: ':5000'}\n";
        let tls = plain.replace("{addr: ':5000'}", "{addr: ':5000', tls: {auto: {}}}");
        let host = plain.replace("{addr: ':5000'}", "{addr: ':5000', host: 'https://r.example.com:443'}");
        assert_eq!(reach(&host, &["other"], ":5000"), "https://r.example.com");
        assert_eq!(reach(&tls, &["a.example", "b.example"], ":443"), "https://a.example");
        assert_eq!(reach(&tls, &["a.example"], ":5443"), "https://a.example:5443");
        assert_eq!(reach(plain, &[], "127.0.0.1:5000"), "http://localhost:5000");
        assert_eq!(reach(plain, &[], "192.0.2.1:80"), "http://192.0.2.1");
        assert_eq!(reach(plain, &[], "[2001:db8::1]:5000"), "http://[2001:db8::1]:5000");

        let short = found(&tls, &["mosi"], ":443");
        assert_eq!(
            (short.to_string(), short.reference()),
            ("https://mosi".into(), "mosi:443".into())
        );
    }
}
