//! Variables that override the configuration file: a start reports them, and does not write them into it.

use lockgate_config::{CertificateSource, Config};

use super::source::LISTEN_VARIABLE;

/// What to report about variables: their names alone, since a value may be a secret.
#[derive(Debug, Default)]
pub(crate) struct ActiveVariables {
    names: Vec<String>,
    /// What gave way to them in a generated file, a line each.
    replaced: Vec<String>,
    /// Whether it serves with a certificate of our own, and no variable says so.
    own_certificate: bool,
    /// Whether it asks for accounts, and no variable says so.
    own_accounts: bool,
}

impl ActiveVariables {
    /// Those over `config`. With `is_listen_given`, the address came from the command line.
    pub(crate) fn new(config: &Config, is_listen_given: bool) -> Self {
        let given = |name: &&String| !(is_listen_given && *name == LISTEN_VARIABLE);
        let names: Vec<_> = config.variables.iter().filter(given).cloned().collect();
        let speaks = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
        let tls = config.http.tls.as_ref().map(|tls| &tls.certificate);
        Self {
            own_certificate: matches!(tls, Some(CertificateSource::Auto { .. })) && !speaks("REGISTRY_HTTP_TLS"),
            own_accounts: config.auth.htpasswd.is_some() && !speaks("REGISTRY_AUTH"),
            replaced: config.overridden.iter().map(ToString::to_string).collect(),
            names,
        }
    }

    /// Which are in force, and what they replaced, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let names =
            (!self.names.is_empty()).then(|| format!("variables in force over the file: {}", self.names.join(", ")));
        names.into_iter().chain(self.replaced.iter().cloned()).collect()
    }

    /// How to get what no variable asks for, a line each.
    pub(crate) fn otherwise(&self) -> Vec<&'static str> {
        let tls = self.own_certificate.then_some(
            "TLS with a certificate of its own. One of yours: REGISTRY_HTTP_TLS_CERTIFICATE and REGISTRY_HTTP_TLS_KEY. \
             Plain HTTP: REGISTRY_HTTP_TLS_AUTO=false.",
        );
        let accounts = self.own_accounts.then_some(
            "Accounts with passwords. A file of yours: REGISTRY_AUTH_HTPASSWD_PATH. No accounts, everybody may do \
             everything: REGISTRY_AUTH=none.",
        );
        tls.into_iter().chain(accounts).collect()
    }

    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        !self.names.is_empty()
    }
}
