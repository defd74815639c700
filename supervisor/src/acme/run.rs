//! The process `lockgate acme`, a child of the supervisor for one order.

use std::io;
use std::time::{Duration, SystemTime};

use lockgate_certs::{CertificateFiles, RenewalReason, load, validity};
use lockgate_config::{Config, Home, Tls};
use lockgate_files::{UidGid, WriteError};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::challenge::{ChallengeResponder, preference};
use super::http::AcmeHttpClient;
use super::order::{OrderError, OrderRequest, order};
use super::{AcmeStore, Attempt};

/// An order that takes longer has failed.
pub(crate) const ORDER_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcmeError {
    #[error("http.tls.letsencrypt is not set")]
    NotConfigured,
    #[error("http.tls.letsencrypt.cachefile: {0}")]
    Write(#[from] WriteError),
    #[error("http.tls.letsencrypt.cachefile: {0}")]
    Store(#[source] io::Error),
    #[error("cannot {what}: {source}")]
    System { what: &'static str, source: io::Error },
    #[error("TLS to the ACME server: {0}")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("no certificate within {} s", ORDER_TIMEOUT.as_secs())]
    TimedOut,
    #[error("the certificate that the server made: {0}")]
    Unusable(RenewalReason),
    #[error("stopped")]
    Stopped,
}

/// Orders a certificate and keeps it in the store. `port` is that of the TLS listener. The attempt is recorded before the
/// first request to the server, and undone if this process is told to stop.
pub(crate) fn run(config: &Config, home: &Home, port: u16, reader: Option<UidGid>) -> Result<(), AcmeError> {
    let tls = config.http.tls.as_ref();
    let acme = tls.and_then(Tls::acme).ok_or(AcmeError::NotConfigured)?;
    let store = AcmeStore::of(acme);
    // Before the attempt is kept: a stop in between would leave one that never was.
    let mut runtime_of_order = OrderRuntime::start()?;
    let before = store.attempt();
    let attempt = Attempt::begin(before.clone(), &acme.hosts, SystemTime::now(), jitter());
    store.keep_attempt(&attempt)?;
    let http = AcmeHttpClient::new()?;
    let kinds = preference(port, config.http.redirect_https.is_some(), attempt.failures - 1);
    let responder = ChallengeResponder::new(&home.challenges(), reader);
    let request = OrderRequest {
        store: &store,
        directory: acme.directory(),
        email: &acme.email,
        hosts: &acme.hosts,
        kinds: &kinds,
        responder: &responder,
    };
    let ordered = runtime_of_order
        .order(&http, &request)
        .and_then(|pem| keep(&store, &acme.hosts, &pem));
    match &ordered {
        Ok(()) => store.forget_attempt().map_err(AcmeError::Store)?,
        Err(AcmeError::Stopped) => match before {
            Some(before) => store.keep_attempt(&before)?,
            None => store.forget_attempt().map_err(AcmeError::Store)?,
        },
        Err(error) => store.keep_attempt(&attempt.failed(error.to_string(), http.retry_after()))?,
    }
    ordered
}

/// The async runtime of an order, and the signals that end it.
struct OrderRuntime {
    runtime: Runtime,
    terminated: Signal,
    interrupted: Signal,
}

impl OrderRuntime {
    /// Starts the runtime. From now on SIGTERM and SIGINT end the order instead of the process.
    fn start() -> Result<Self, AcmeError> {
        let system = |what| move |source| AcmeError::System { what, source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(system("start the runtime"))?;
        let heard = runtime.enter();
        let told = |kind| signal(kind).map_err(system("listen to signals"));
        let (terminated, interrupted) = (told(SignalKind::terminate())?, told(SignalKind::interrupt())?);
        drop(heard);
        Ok(Self {
            runtime,
            terminated,
            interrupted,
        })
    }

    fn order(&mut self, http: &AcmeHttpClient, request: &OrderRequest<'_>) -> Result<String, AcmeError> {
        self.runtime.block_on(async {
            tokio::select! {
                ordered = order(http, request) => Ok(ordered?),
                () = tokio::time::sleep(ORDER_TIMEOUT) => Err(AcmeError::TimedOut),
                _ = self.terminated.recv() => Err(AcmeError::Stopped),
                _ = self.interrupted.recv() => Err(AcmeError::Stopped),
            }
        })
    }
}

/// Replaces the present certificate, if the new one can be served.
fn keep(store: &AcmeStore, hosts: &[String], pem: &str) -> Result<(), AcmeError> {
    let staged = store.stage_certificate(pem)?;
    let pair = CertificateFiles {
        certificate: staged.path().to_owned(),
        key: staged.path().to_owned(),
    };
    load::certified_key(&pair.certificate, &pair.key)
        .map_err(|error| RenewalReason::Unusable(error.to_string()))
        .and_then(|_| validity(&pair, hosts))
        .map_err(AcmeError::Unusable)?;
    Ok(staged.replace()?)
}

/// Random, or 0 when the system gives no random bytes.
fn jitter() -> u8 {
    let mut byte = [0];
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    byte[0]
}
