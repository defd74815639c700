//! Runs a proxy: a configuration and listening sockets in, served clients until it is told to end.

use std::convert::Infallible;
use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lockgate_config::{Config, Home};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::blob::buffers;
use crate::downstream::server::{ListenerPurpose, Server};
use crate::downstream::tls::Tls;
use crate::request::active_count::ActiveCount;
use crate::request::service::Service;
use crate::request::settings::ProxySettings;
use crate::request::shutdown::Shutdown;
use crate::run_error::RunError;
use crate::upstream::connect::Upstream;

/// How often the certificates' files are looked at: two `stat` calls each.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(1);

/// An open, listening, non-blocking socket, and what it is for.
#[derive(Debug)]
pub enum ProxyListener {
    /// `http.addr`: TLS when `http.tls` is set, plain otherwise.
    Public(TcpListener),
    /// `http.redirecthttps`: answers 301 to https.
    Redirect(TcpListener),
}

/// Says where the blobs of a configuration are.
pub type BlobRoot = Box<dyn Fn(&Config) -> PathBuf + Send + Sync>;

/// Is told what has become of a new configuration.
pub type Reloaded = Box<dyn Fn(Result<(), String>) + Send>;

/// How the proxy is told what to do, and tells how it is.
pub struct Control {
    /// The registry's Unix socket.
    pub upstream: PathBuf,
    /// The directory that the paths of hand-offs are relative to, by the configuration: the storage's layout is the
    /// registry's to know.
    pub blob_root: BlobRoot,
    /// Called once, when connections are being accepted.
    pub ready: Box<dyn FnOnce() + Send>,
    /// Completes when the proxy shall drain: accept no more, finish what is in flight, then end.
    pub drain: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Completes when another proxy serves in this one's place: as `drain`, without a deadline.
    pub leave: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Configurations to take up; each is already checked.
    pub reload: mpsc::Receiver<Config>,
    /// Called for each of them: whether it is in force now, or why the old one goes on.
    pub reloaded: Reloaded,
}

/// Targets whose log lines repeat what the proxy says itself, or blame it for what clients do (a scanner's broken
/// h2 preface is an error to Pingora). A subscriber should leave them out unless somebody debugs Pingora.
pub const QUIET_TARGETS: &[&str] = &["pingora_core", "pingora_proxy"];

/// Serves until told to drain. Runs on the tokio runtime that it is called on.
pub async fn run(config: Config, home: Home, listeners: Vec<ProxyListener>, control: Control) -> Result<(), RunError> {
    // Pingora would install ring, which comes with it.
    lockgate_certs::install_provider();
    let live = LiveConfig::new(&config, home, control.blob_root)?;
    let service = Service {
        settings: live.settings.clone(),
        upstream: Upstream::new(control.upstream)?,
        requests: ActiveCount::default(),
        buffers: buffers::pool(),
        shutdown: watch::Sender::new(Shutdown::No),
    };
    let server = Arc::new(Server::new(service, live.tls.clone()));
    let accepting = open(&server, listeners)?;
    (control.ready)();

    tokio::select! {
        () = end(&server, control.drain, control.leave) => {}
        never = live.follow(control.reload, control.reloaded) => match never {},
    }
    for task in accepting {
        task.abort();
    }
    Ok(())
}

/// Waits for a signal to end, then ends. A proxy that leaves without a deadline may still be given one.
async fn end(server: &Server, mut drain: impl Future<Output = ()> + Unpin, leave: impl Future<Output = ()>) {
    tokio::select! {
        () = &mut drain => return server.drain().await,
        () = leave => {}
    }
    tokio::select! {
        () = server.leave() => {}
        () = drain => server.drain().await,
    }
}

fn open(server: &Arc<Server>, listeners: Vec<ProxyListener>) -> Result<Vec<JoinHandle<()>>, RunError> {
    let public_port = listeners.iter().find_map(|listener| match listener {
        ProxyListener::Public(listener) => listener.local_addr().ok().map(|address| address.port()),
        ProxyListener::Redirect(_) => None,
    });
    let mut accepting = Vec::new();
    for listener in listeners {
        let (listener, purpose) = match listener {
            ProxyListener::Public(listener) => {
                let port = listener.local_addr().map_err(RunError::Serve)?.port();
                (listener, ListenerPurpose::Public(port))
            }
            ProxyListener::Redirect(listener) => (listener, ListenerPurpose::Redirect(public_port.unwrap_or(443))),
        };
        listener.set_nonblocking(true).map_err(RunError::Serve)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(RunError::Serve)?;
        accepting.push(tokio::spawn(server.clone().accept(listener, purpose)));
    }
    Ok(accepting)
}

/// What a running proxy takes from a configuration, and exchanges when it gets another.
struct LiveConfig {
    home: Home,
    blob_root: BlobRoot,
    settings: Arc<ArcSwap<ProxySettings>>,
    tls: Option<Arc<Tls>>,
}

impl LiveConfig {
    fn new(config: &Config, home: Home, blob_root: BlobRoot) -> Result<Self, RunError> {
        let settings = ProxySettings::new(config, &home, blob_root(config))?;
        Ok(Self {
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            tls: Tls::new(config, &home)?.map(Arc::new),
            home,
            blob_root,
        })
    }

    /// Takes up new configurations, and certificates whose files change, for ever.
    async fn follow(&self, mut reload: mpsc::Receiver<Config>, reloaded: Reloaded) -> Infallible {
        let mut look = tokio::time::interval(CERTIFICATE_INTERVAL);
        loop {
            tokio::select! {
                Some(config) = reload.recv() => {
                    let applied = self.apply(&config);
                    match &applied {
                        Ok(()) => tracing::info!("the configuration was reloaded"),
                        Err(error) => {
                            tracing::error!(%error, "the new configuration cannot be used, the old one goes on");
                        }
                    }
                    reloaded(applied.map_err(|error| error.to_string()));
                }
                _ = look.tick() => if let Some(tls) = &self.tls { tls.refresh() },
            }
        }
    }

    fn apply(&self, config: &Config) -> Result<(), RunError> {
        let new = ProxySettings::new(config, &self.home, (self.blob_root)(config))?;
        match &self.tls {
            Some(tls) if config.http.tls.is_some() => tls.reload(config, &self.home)?,
            None if config.http.tls.is_none() => {}
            _ => tracing::warn!("http.tls was added or removed: this takes a restart"),
        }
        self.settings.store(Arc::new(new.after(&self.settings.load())));
        Ok(())
    }
}
