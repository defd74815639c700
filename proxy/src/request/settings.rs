//! The configuration as the proxy uses it; replaced as a whole when it is reloaded.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use lockgate_admission::{Admission, Bounds, open_file_limit};
use lockgate_config::{CertificateSource, Config, Home, Limits, Network, PublicUrl};
use lockgate_wire::{HEALTH_PATH, READY_PATH};
use pingora::http::ResponseHeader;

use crate::blob::root_dir::RootDir;
use crate::run_error::RunError;

/// What a request may need of the configuration. A request keeps the settings that it began with.
#[derive(Debug)]
pub(crate) struct ProxySettings {
    /// `http.limits`
    pub(crate) limits: Limits,
    /// Bounds the requests in flight.
    pub(crate) admission: Arc<Admission>,
    /// `http.draintimeout`
    pub(crate) drain_timeout: Duration,
    /// `http.trustedproxies`
    pub(crate) trusted_proxies: Vec<Network>,
    /// `http.host`
    pub(crate) host: Option<PublicUrl>,
    /// `log.accesslog`
    pub(crate) access_log: bool,
    /// Where hand-offs are opened.
    pub(crate) blobs: Arc<RootDir>,
    /// `http.docroot`
    pub(crate) docroot: Option<Arc<RootDir>>,
    /// The authority's certificate, offered to whoever does not trust it yet; with `http.tls.auto`.
    pub(crate) authority: Option<PathBuf>,
    /// Answers to ACME challenges; with `http.tls.letsencrypt`.
    pub(crate) challenges: Option<PathBuf>,
    api: Vec<String>,
    headers: HeaderMap,
}

impl ProxySettings {
    /// Takes from `config` what concerns the proxy. `blob_root`: where hand-offs are opened.
    pub(crate) fn new(config: &Config, home: &Home, blob_root: PathBuf) -> Result<Self, RunError> {
        let http = &config.http;
        let source = http.tls.as_ref().map(|tls| &tls.certificate);
        let auto = matches!(source, Some(CertificateSource::Auto { .. }));
        let acme = matches!(source, Some(CertificateSource::Acme(_)));
        let limits = http.limits.within(open_file_limit());
        Ok(Self {
            admission: Arc::new(Admission::new(Bounds {
                requests: limits.max_requests,
                network_requests: limits.max_network_requests,
                wait: limits.request_wait,
                open: config.auth.is_open(),
            })),
            limits,
            drain_timeout: http.drain_timeout,
            trusted_proxies: http.trusted_proxies.clone(),
            host: http.host.clone(),
            access_log: config.log.access,
            blobs: Arc::new(RootDir::new(blob_root)),
            docroot: docroot(config)?,
            authority: auto.then(|| home.ca_certificate()),
            challenges: acme.then(|| home.challenges()),
            api: api(config),
            headers: http.headers.clone(),
        })
    }

    /// Whether errors at `path` have the distribution specification's form.
    pub(crate) fn is_api(&self, path: &str) -> bool {
        is_at(&self.api, path)
    }

    /// Whether a file of the docroot never hides what is at `path`.
    pub(crate) fn is_reserved(&self, path: &str) -> bool {
        self.is_api(path) || is_at(&[HEALTH_PATH, READY_PATH], path)
    }

    /// These settings, with the requests that are in flight already counted where the bounds are the same.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        if self.admission.bounds() == before.admission.bounds() {
            self.admission = before.admission.clone();
        }
        self
    }

    /// Adds `http.headers`; a header of the same name gives way.
    pub(crate) fn add_headers(&self, header: &mut ResponseHeader) -> pingora::Result<()> {
        for name in self.headers.keys() {
            header.remove_header(name);
        }
        for (name, value) in &self.headers {
            header.append_header(name.clone(), value.clone())?;
        }
        Ok(())
    }
}

fn docroot(config: &Config) -> Result<Option<Arc<RootDir>>, RunError> {
    let Some(path) = &config.http.docroot else {
        return Ok(None);
    };
    let root = RootDir::new(path.clone());
    root.check().map_err(|error| RunError::Configuration {
        key: "http.docroot".to_owned(),
        reason: format!("{}: {error}", path.display()),
    })?;
    Ok(Some(Arc::new(root)))
}

/// Where the registry answers in the form of the distribution specification: its API, and the token endpoint.
fn api(config: &Config) -> Vec<String> {
    let prefix = config.http.prefix.trim_end_matches('/');
    let issuer = config.auth.issuer.as_ref().map(|issuer| &issuer.path);
    let token = config.auth.token.as_ref().filter(|token| token.auto_redirect);
    let tokens = issuer.into_iter().chain(token.map(|token| &token.auto_redirect_path));
    std::iter::once(format!("{prefix}/v2"))
        .chain(tokens.map(|path| format!("{prefix}{path}")))
        .collect()
}

/// Whether `path` is one of `places` or below one.
fn is_at(places: &[impl AsRef<str>], path: &str) -> bool {
    places.iter().any(|place| {
        let rest = path.strip_prefix(place.as_ref());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}
