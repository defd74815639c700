//! A real ACME server of the test's own: pebble, its name server, and an authority that it is trusted by.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lockgate_testkit::require;

use crate::harness::{Workdir, eventually};
use crate::tls;

/// A name that leads to the loopback address, at this name server alone.
pub(crate) const HOST: &str = "registry.lockgate.lan";

/// Ports that the test decides on before anybody listens.
pub(crate) struct Ports {
    pub(crate) directory: u16,
    pub(crate) tls: u16,
    pub(crate) http: u16,
    management: u16,
    names: u16,
    names_management: u16,
}

impl Ports {
    pub(crate) fn free() -> Self {
        // All are open at once, so that none is given twice.
        let listeners: Vec<_> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<_> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        Self {
            directory: ports[0],
            tls: ports[1],
            http: ports[2],
            management: ports[3],
            names: ports[4],
            names_management: ports[5],
        }
    }
}

/// The running servers; gone when dropped.
pub(crate) struct Pebble {
    servers: [Child; 2],
    management: u16,
    trusted: PathBuf,
}

impl Pebble {
    /// Whether the programs are here.
    pub(crate) fn is_here() -> bool {
        require(&["pebble", "pebble-challtestsrv"])
    }

    /// An authority for the server's own certificate, in `trusted.pem`: what SSL_CERT_FILE names.
    pub(crate) fn prepare(workdir: &Workdir) {
        let made = ["cert", "new", "--home", "authority", "--ip", "127.0.0.1"];
        workdir
            .run(&["setup", "--home", "authority", "--listen", "127.0.0.1:0"])
            .expect(0);
        workdir.run(&[&made[..], &["--force"]].concat()).expect(0);
        std::fs::copy(workdir.path("authority/tls/ca.crt"), workdir.path("trusted.pem")).unwrap();
    }

    /// Starts them, and waits until they answer.
    pub(crate) fn start(workdir: &Workdir, ports: &Ports) -> Self {
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{}", ports.directory),
            "managementListenAddress": format!("127.0.0.1:{}", ports.management),
            "certificate": workdir.path("authority/tls/registry.crt"),
            "privateKey": workdir.path("authority/tls/registry.key"),
            "httpPort": ports.http,
            "tlsPort": ports.tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let config = workdir.write("pebble.json", &config.to_string());
        let names = format!("127.0.0.1:{}", ports.names);
        let mut name_server = Command::new("pebble-challtestsrv");
        name_server
            .args([
                "-dns01",
                &names,
                "-http01",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
                "-defaultIPv6",
                "",
            ])
            .args(["-management", &format!("127.0.0.1:{}", ports.names_management)]);
        let mut pebble = Command::new("pebble");
        pebble
            .args(["-config", config.to_str().unwrap(), "-dnsserver", &names])
            .env("PEBBLE_VA_NOSLEEP", "1");
        let servers = [(name_server, "names.log"), (pebble, "pebble.log")].map(|(mut command, log)| {
            let log = File::create(workdir.path(log)).unwrap();
            let errors = log.try_clone().unwrap();
            command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().unwrap()
        });
        let pebble = Self {
            servers,
            management: ports.management,
            trusted: workdir.path("trusted.pem"),
        };
        for port in [ports.directory, ports.management, ports.names, ports.names_management] {
            eventually("pebble", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
        pebble
    }

    /// The certificate that whoever trusts this authority trusts.
    pub(crate) fn root(&self) -> String {
        let address = format!("127.0.0.1:{}", self.management);
        let trusted = std::fs::read_to_string(&self.trusted).unwrap();
        let answer = tls::get(&address, "127.0.0.1", "/roots/0", &trusted).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        body.to_owned()
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
