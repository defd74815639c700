//! The home directory: one directory per reader, so that each process can be confined to its own.

use std::path::{Path, PathBuf};

/// Paths below `--home`. The only place that knows the names.
///
/// ```text
/// config.yml, password (0600)            supervisor
/// home.json                              supervisor: whether it has served, and with which files
/// ca/ca.key (0600)                       supervisor alone: it issues and renews the leaf
/// tls/ca.crt registry.crt registry.key   proxy
/// auth/htpasswd token.key                registry
/// data/                                  registry writes, proxy reads blobs
/// log/
/// run/registry.sock lockgate.pid lockgate.sock
/// run/acme/                              supervisor writes, proxy shows: answers to ACME challenges
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The home at `root`; nothing is created.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The home directory.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// `config.yml`
    pub fn config_file(&self) -> PathBuf {
        self.0.join("config.yml")
    }

    /// `home.json`: whether anything has served from here, and with which files.
    pub fn record_file(&self) -> PathBuf {
        self.0.join("home.json")
    }

    /// `password`: the first account's generated password, mode 0600.
    pub fn password_file(&self) -> PathBuf {
        self.0.join("password")
    }

    /// `ca/ca.key`: read by the supervisor alone.
    pub fn ca_key(&self) -> PathBuf {
        self.0.join("ca/ca.key")
    }

    /// `tls/ca.crt`: the authority's certificate, what clients trust.
    pub fn ca_certificate(&self) -> PathBuf {
        self.0.join("tls/ca.crt")
    }

    /// `tls/registry.crt`: the leaf that the proxy shows.
    pub fn leaf_certificate(&self) -> PathBuf {
        self.0.join("tls/registry.crt")
    }

    /// `tls/registry.key`
    pub fn leaf_key(&self) -> PathBuf {
        self.0.join("tls/registry.key")
    }

    /// `auth/htpasswd`
    pub fn htpasswd(&self) -> PathBuf {
        self.0.join("auth/htpasswd")
    }

    /// `auth/token.key`: signs tokens; never the TLS key.
    pub fn token_key(&self) -> PathBuf {
        self.0.join("auth/token.key")
    }

    /// `data`: the storage root.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// `log`
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// `run`
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// `run/acme`: what the proxy shows an ACME server while an order is under way.
    pub fn challenges(&self) -> PathBuf {
        self.run().join("acme")
    }

    /// `run/registry.sock`: where the registry listens for the proxy.
    pub fn registry_socket(&self) -> PathBuf {
        self.run().join("registry.sock")
    }

    /// `run/lockgate.sock`: where the supervisor answers `status`.
    pub fn control_socket(&self) -> PathBuf {
        self.run().join("lockgate.sock")
    }

    /// `run/lockgate.pid`: the supervisor's pid, locked while it lives.
    pub fn pid_file(&self) -> PathBuf {
        self.run().join("lockgate.pid")
    }
}
