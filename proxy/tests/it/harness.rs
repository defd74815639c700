//! A running proxy in a directory of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lockgate_certs::{Authority, LeafRequest, Subject};
use lockgate_config::{Config, Home};
use lockgate_files::{Existing, write_private, write_public};
use lockgate_proxy::{Control, ProxyListener, RunError, run};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::scripted_registry::{Registry, Reply, Seen};

/// How long anything may take that should be immediate.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// What the proxy is told besides its defaults; YAML below `http:`, two spaces in.
pub(crate) struct Options {
    pub(crate) http: String,
    pub(crate) tls: bool,
    pub(crate) top: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            http: String::new(),
            tls: true,
            top: String::new(),
        }
    }
}

impl Options {
    pub(crate) fn http(yaml: &str) -> Self {
        Self {
            http: yaml.to_owned(),
            ..Self::default()
        }
    }
}

/// A running proxy; gone when dropped.
pub(crate) struct TestProxy {
    pub(crate) address: SocketAddr,
    pub(crate) redirect: SocketAddr,
    pub(crate) socket: PathBuf,
    pub(crate) home: Home,
    pub(crate) authority: Arc<Authority>,
    reload: mpsc::Sender<Config>,
    drain: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), RunError>>,
    place: tempfile::TempDir,
}

impl TestProxy {
    /// With TLS and defaults.
    pub(crate) async fn open() -> Self {
        Self::open_with(Options::default()).await
    }

    /// Waits until it accepts connections.
    pub(crate) async fn open_with(options: Options) -> Self {
        crate::access_log::install();
        let place = tempfile::tempdir().unwrap();
        let home = Home::new(place.path().join("home"));
        for directory in ["tls", "run", "data/docker/registry/v2/blobs"] {
            std::fs::create_dir_all(home.root().join(directory)).unwrap();
        }
        let authority = Arc::new(Authority::create(&Subject::default()).unwrap());
        write_public(&home.ca_certificate(), authority.certificate_pem(), Existing::Overwrite).unwrap();
        issue(&authority, &home, "localhost");
        let config = config(place.path(), &home, &options);

        let public = TcpListener::bind("127.0.0.1:0").unwrap();
        let redirect = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, redirect_address) = (public.local_addr().unwrap(), redirect.local_addr().unwrap());
        let (ready, is_ready) = oneshot::channel();
        let (drain, drains) = oneshot::channel();
        let (reload, reloads) = mpsc::channel(1);
        let control = Control {
            leave: Box::pin(std::future::pending()),
            upstream: home.registry_socket(),
            blob_root: Box::new(|config| config.storage.root.join("docker/registry/v2/blobs")),
            ready: Box::new(move || ready.send(()).unwrap()),
            drain: Box::pin(async { drains.await.unwrap_or(()) }),
            reload: reloads,
            reloaded: Box::new(drop),
        };
        let entrances = vec![ProxyListener::Public(public), ProxyListener::Redirect(redirect)];
        let running = tokio::spawn(run(config, home.clone(), entrances, control));
        is_ready.await.expect("the proxy runs");
        Self {
            address,
            redirect: redirect_address,
            socket: home.registry_socket(),
            home,
            authority,
            reload,
            drain: Some(drain),
            running,
            place,
        }
    }

    /// A registry behind it.
    pub(crate) fn registry(&self, on_request: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Registry {
        Registry::start(&self.socket, on_request)
    }

    /// Writes a file below the blob root.
    pub(crate) fn write_blob(&self, path: &str, content: &[u8]) {
        let path = self.home.data().join("docker/registry/v2/blobs").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Hands over another configuration.
    pub(crate) async fn reload(&self, options: Options) {
        self.reload
            .send(config(self.place.path(), &self.home, &options))
            .await
            .unwrap();
    }

    /// Tells it to drain.
    pub(crate) fn drain(&mut self) {
        self.drain.take().expect("drained once").send(()).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) {
        (&mut self.running).await.unwrap().unwrap();
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Replaces the leaf by one for `name`.
pub(crate) fn issue(authority: &Authority, home: &Home, name: &str) {
    let hosts = [name.to_owned(), "127.0.0.1".to_owned()];
    let issued = authority.issue(&LeafRequest::for_hosts(&hosts).unwrap()).unwrap();
    write_private(&home.leaf_key(), issued.key_pem.reveal(), Existing::Overwrite).unwrap();
    write_public(&home.leaf_certificate(), &issued.chain_pem, Existing::Overwrite).unwrap();
}

fn config(place: &Path, home: &Home, options: &Options) -> Config {
    let tls = if options.tls {
        "  tls:\n    auto:\n      hostnames: [localhost]\n"
    } else {
        ""
    };
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n{}http:\n  addr: 127.0.0.1:0\n{tls}{}",
        home.data().display(),
        options.top,
        options.http,
    );
    Config::parse(&place.join("config.yml"), text.as_bytes(), &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
