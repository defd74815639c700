//! The process: `lockgate acme`, a child of the supervisor for one order.

use std::io;
use std::time::{Duration, SystemTime};

use lockgate_certs::{Pair, Reason, load, validity};
use lockgate_config::{Config, Home, Tls};
use lockgate_files::{UidGid, WriteError};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::challenge::{Answers, preference};
use super::http::Http;
use super::order::{OrderError, Wanted, order};
use super::{Attempt, Place};

/// An order that takes longer has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5 * 60);

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcmeError {
    /// Nothing is to be ordered.
    #[error("http.tls.letsencrypt is not set")]
    NotAsked,
    /// A file of the place.
    #[error("http.tls.letsencrypt.cachefile: {0}")]
    Write(#[from] WriteError),
    /// The same.
    #[error("http.tls.letsencrypt.cachefile: {0}")]
    Place(#[source] io::Error),
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
    #[error("no certificate within {} s", DEADLINE.as_secs())]
    Late,
    /// What the server sent.
    #[error("the certificate that the server made: {0}")]
    Useless(Reason),
    /// Somebody stopped it.
    #[error("stopped")]
    Stopped,
}

/// Orders a certificate and keeps it in its place. `port` is that of the TLS listener. An attempt counts from before the
/// first request to the server; being told to stop undoes that.
pub(crate) fn run(config: &Config, home: &Home, port: u16, reader: Option<UidGid>) -> Result<(), AcmeError> {
    let tls = config.http.tls.as_ref();
    let acme = tls.and_then(Tls::acme).ok_or(AcmeError::NotAsked)?;
    let place = Place::of(acme);
    // Before the attempt is kept: a stop in between would leave one that never was.
    let mut engine = Engine::start()?;
    let before = place.attempt();
    let attempt = Attempt::begin(before.clone(), &acme.hosts, SystemTime::now(), jitter());
    place.keep_attempt(&attempt)?;
    let http = Http::new()?;
    let kinds = preference(port, config.http.redirect_https.is_some(), attempt.failures - 1);
    let answers = Answers::new(&home.challenges(), reader);
    let wanted = Wanted {
        place: &place,
        directory: acme.directory(),
        email: &acme.email,
        hosts: &acme.hosts,
        kinds: &kinds,
        answers: &answers,
    };
    let ordered = engine
        .order(&http, &wanted)
        .and_then(|pem| keep(&place, &acme.hosts, &pem));
    match &ordered {
        Ok(()) => place.forget_attempt().map_err(AcmeError::Place)?,
        Err(AcmeError::Stopped) => match before {
            Some(before) => place.keep_attempt(&before)?,
            None => place.forget_attempt().map_err(AcmeError::Place)?,
        },
        Err(error) => place.keep_attempt(&attempt.failed(error.to_string(), http.retry_after()))?,
    }
    ordered
}

/// What the order runs on.
struct Engine {
    runtime: Runtime,
    terminated: Signal,
    interrupted: Signal,
}

impl Engine {
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

    fn order(&mut self, http: &Http, wanted: &Wanted<'_>) -> Result<String, AcmeError> {
        self.runtime.block_on(async {
            tokio::select! {
                ordered = order(http, wanted) => Ok(ordered?),
                () = tokio::time::sleep(DEADLINE) => Err(AcmeError::Late),
                _ = self.terminated.recv() => Err(AcmeError::Stopped),
                _ = self.interrupted.recv() => Err(AcmeError::Stopped),
            }
        })
    }
}

/// The present certificate is only replaced by one that can be shown.
fn keep(place: &Place, hosts: &[String], pem: &str) -> Result<(), AcmeError> {
    let staged = place.stage_certificate(pem)?;
    let pair = Pair {
        certificate: staged.path().to_owned(),
        key: staged.path().to_owned(),
    };
    load::certified_key(&pair.certificate, &pair.key)
        .map_err(|error| Reason::Unusable(error.to_string()))
        .and_then(|_| validity(&pair, hosts))
        .map_err(AcmeError::Useless)?;
    Ok(staged.replace()?)
}

/// Spreads those who failed together. Without randomness, nothing is spread.
fn jitter() -> u8 {
    let mut byte = [0];
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    byte[0]
}
