//! The process: `lockgate acme`, a child of the supervisor for one order.

use std::io;
use std::time::{Duration, SystemTime};

use lockgate_certs::{Pair, Reason, load, validity};
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
    /// Nothing is to be ordered.
    #[error("http.tls.letsencrypt is not set")]
    NotConfigured,
    /// A file of the place.
    #[error("http.tls.letsencrypt.cachefile: {0}")]
    Write(#[from] WriteError),
    /// The same.
    #[error("http.tls.letsencrypt.cachefile: {0}")]
    Store(#[source] io::Error),
    /// The system.
    #[error("cannot {what}: {source}")]
    System { what: &'static str, source: io::Error },
    /// TLS to the server.
    #[error("TLS to the ACME server: {0}")]
    Tls(#[from] rustls::Error),
    /// The order.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// It took too long.
    #[error("no certificate within {} s", ORDER_TIMEOUT.as_secs())]
    TimedOut,
    /// What the server sent.
    #[error("the certificate that the server made: {0}")]
    Unusable(Reason),
    /// Somebody stopped it.
    #[error("stopped")]
    Stopped,
}

/// Orders a certificate and keeps it in its place. `port` is that of the TLS listener. An attempt counts from before the
/// first request to the server; being told to stop undoes that.
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

/// What the order runs on.
struct OrderRuntime {
    runtime: Runtime,
    terminated: Signal,
    interrupted: Signal,
}

impl OrderRuntime {
    /// From now on, being told to stop is heard.
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

/// The present certificate is only replaced by one that can be shown.
fn keep(store: &AcmeStore, hosts: &[String], pem: &str) -> Result<(), AcmeError> {
    let staged = store.stage_certificate(pem)?;
    let pair = Pair {
        certificate: staged.path().to_owned(),
        key: staged.path().to_owned(),
    };
    load::certified_key(&pair.certificate, &pair.key)
        .map_err(|error| Reason::Unusable(error.to_string()))
        .and_then(|_| validity(&pair, hosts))
        .map_err(AcmeError::Unusable)?;
    Ok(staged.replace()?)
}

/// Spreads those who failed together. Without randomness, nothing is spread.
fn jitter() -> u8 {
    let mut byte = [0];
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    byte[0]
}
