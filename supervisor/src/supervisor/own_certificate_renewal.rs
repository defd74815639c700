//! Renews the certificate of our own authority in time; the proxy takes up a new one by itself.

use std::time::Duration;

use lockgate_config::{Config, Home};
use lockgate_files::UidGid;

use crate::certificates::own::OwnCertificates;

/// How often to look whether a renewal is due.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Issues the leaf again when it is time, or when host names or addresses changed.
#[derive(Debug)]
pub(crate) struct Renewal {
    home: Home,
    /// Names given on the command line, for this run.
    extra: Vec<String>,
    own: Option<OwnCertificates>,
    /// The user who reads the key, if it is not the supervisor's.
    reader: Option<UidGid>,
    /// Why the last renewal failed, until one succeeds.
    error: Option<String>,
}

impl Renewal {
    /// For the certificates that `config` asks for, if Lockgate makes them.
    pub(crate) fn new(config: &Config, home: &Home, extra: &[String]) -> Self {
        let own = OwnCertificates::of(config, home, extra);
        Self {
            home: home.clone(),
            extra: extra.to_vec(),
            own,
            reader: None,
            error: None,
        }
    }

    /// The same for a key that `reader` reads.
    #[must_use]
    pub(crate) fn read_by(mut self, reader: Option<UidGid>) -> Self {
        self.own = self.own.map(|own| own.read_by(reader));
        self.reader = reader;
        self
    }

    /// The names that were asked for, the most wanted first.
    pub(crate) fn hosts(&self) -> &[String] {
        self.own.as_ref().map_or(&self.extra, |own| own.hosts())
    }

    /// Issues the leaf again if it is needed. A failure leaves the present one, and is tried again.
    pub(crate) fn renew(&mut self) {
        let Some(own) = &self.own else { return };
        self.error = None;
        match own.ensure_leaf() {
            Ok(Some(reason)) => tracing::info!("issued a new certificate: {reason}"),
            Ok(None) => {}
            Err(error) => self.failed(format!("the certificate could not be renewed: {error}")),
        }
    }

    /// Why the last renewal failed, until one succeeds.
    pub(crate) fn problem(&self) -> Option<String> {
        self.error.clone()
    }

    fn failed(&mut self, error: String) {
        tracing::error!("{error}");
        self.error = Some(error);
    }

    pub(crate) fn reload(&mut self, config: &Config) {
        self.error = None;
        self.own = OwnCertificates::of(config, &self.home, &self.extra).map(|own| own.read_by(self.reader));
        if let Some(own) = &self.own
            && let Err(error) = own.ensure_authority()
        {
            return self.failed(format!("no authority to issue a certificate with: {error}"));
        }
        self.renew();
    }
}
