//! Pebble, the ACME server that its authors test clients with, and an authority that makes its own certificate.
//!
//! ```no_run
//! # use std::{path::Path, process::Command};
//! # use lockgate_testkit::pebble::{Config, Pebble, is_here};
//! # let config = Config { directory: 14000, management: 15000, http: 5002, tls: 5001, name_server: None };
//! if is_here() {
//!     let directory = Path::new("work");
//!     let trusted = config.make_certificate(directory);
//!     let pebble = Pebble::start(directory, Command::new("pebble"), &config);
//!     // Clients need SSL_CERT_FILE=trusted, and find its API at config.url().
//! }
//! ```

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::certificates::{Certificates, authority, server};
use crate::client::Client;
use crate::{eventually, require, tls};

/// Ports of the loopback address.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Where its API listens.
    pub directory: u16,
    /// Where it gives its root certificate to tests.
    pub management: u16,
    /// Where it looks for answers to `http-01`.
    pub http: u16,
    /// Where it looks for answers to `tls-alpn-01`.
    pub tls: u16,
    /// Asked for addresses of host names; without one, the system is.
    pub name_server: Option<NameServer>,
}

/// Ports of pebble-challtestsrv, at which every name is 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct NameServer {
    /// Where it answers.
    pub names: u16,
    /// Where it may be told to answer otherwise.
    pub management: u16,
}

/// Whether the programs are here.
pub fn is_here() -> bool {
    require(&["pebble", "pebble-challtestsrv"])
}

impl Config {
    /// The URL that a client is configured with.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.directory)
    }

    /// The URL of the certificate that whoever trusts this server's certificates trusts.
    pub fn root_url(&self) -> String {
        format!("https://127.0.0.1:{}/roots/0", self.management)
    }

    /// Makes the server's own certificate in `directory`; gives the authority that clients of its API trust.
    pub fn make_certificate(&self, directory: &Path) -> PathBuf {
        let mut certificates = Certificates::new(directory);
        certificates.self_signed("pebble-authority", authority("pebble's authority"));
        certificates.issue("pebble", "pebble-authority", server("pebble", "127.0.0.1"));
        directory.join("pebble-authority.crt")
    }

    fn to_json(self, directory: &Path) -> String {
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.directory),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": directory.join("pebble.crt"),
            "privateKey": directory.join("pebble.key"),
            "httpPort": self.http,
            "tlsPort": self.tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        config.to_string()
    }
}

/// The running servers; gone when dropped.
#[derive(Debug)]
pub struct Pebble {
    servers: Vec<Child>,
}

impl Pebble {
    /// Starts `pebble`, the command of the program, with the certificate that was made in `directory`. Its log is
    /// `pebble.log` there.
    pub fn start(directory: &Path, mut pebble: Command, config: &Config) -> Self {
        let file = directory.join("pebble.json");
        std::fs::write(&file, config.to_json(directory)).unwrap();
        let mut servers = Vec::new();
        pebble.arg("-config").arg(file).env("PEBBLE_VA_NOSLEEP", "1");
        if let Some(NameServer { names, management }) = config.name_server {
            let [names, management] = [names, management].map(|port| format!("127.0.0.1:{port}"));
            let mut name_server = Command::new("pebble-challtestsrv");
            name_server.args(["-dns01", &names, "-management", &management, "-defaultIPv6", ""]);
            name_server.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
            servers.push(spawn(name_server, &directory.join("names.log")));
            pebble.args(["-dnsserver", &names]);
        }
        servers.push(spawn(pebble, &directory.join("pebble.log")));
        Self { servers }
    }

    /// Waits until they answer; for tests in whose network they run.
    pub fn wait(self, config: &Config) -> Self {
        let of_names = config.name_server.map(|servers| [servers.names, servers.management]);
        let ports = [config.directory, config.management]
            .into_iter()
            .chain(of_names.into_iter().flatten());
        for port in ports {
            eventually("pebble", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
        self
    }

    /// What [`Config::root_url`] gives to a client that trusts the authority in this file.
    pub fn root(config: &Config, trusted: &Path) -> String {
        let authority = std::fs::read_to_string(trusted).unwrap();
        let stream = tls::connect(
            ("127.0.0.1", config.management),
            "127.0.0.1",
            &tls::trusting(&authority),
        )
        .unwrap();
        Client::over(stream).get("/roots/0").expect(200).text().to_owned()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn spawn(mut command: Command, log: &Path) -> Child {
    let log = File::create(log).unwrap();
    let errors = log.try_clone().unwrap();
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().unwrap()
}
