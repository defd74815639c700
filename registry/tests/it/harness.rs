//! A registry of its own for each test: a temporary directory, a free port, drained and joined on drop.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use lockgate_config::Config;
use lockgate_registry::{ConfirmedLog, Control, Frontend, Listener};
use lockgate_testkit::{Answer, Client, client, exchange, sha256};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

/// A registry that serves, as `front` sees it.
pub(crate) struct Served {
    pub(crate) home: TempDir,
    address: SocketAddr,
    drain: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A configuration without accounts, with deletes.
pub(crate) const OPEN: &str = "storage: {filesystem: {rootdirectory: data}, delete: {enabled: true}}\n";

impl Served {
    /// Without accounts, nobody in front.
    pub(crate) fn open() -> Self {
        Self::start(OPEN, Frontend::Other, |_| {})
    }

    /// With `yaml` besides version and address; `prepare` may put files into the home first.
    pub(crate) fn start(yaml: &str, frontend: Frontend, prepare: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        prepare(home.path());
        Self::start_in(home, yaml, frontend)
    }

    /// Over a directory that an earlier registry, or another implementation, wrote.
    pub(crate) fn start_in(home: TempDir, yaml: &str, frontend: Frontend) -> Self {
        Self::start_with(home, yaml, frontend, takes_all())
    }

    /// With a log that takes audit lines as `audit` says.
    pub(crate) fn start_with(home: TempDir, yaml: &str, frontend: Frontend, audit: ConfirmedLog) -> Self {
        let file = home.path().join("config.yml");
        let http = if yaml.contains("http:") {
            ""
        } else {
            "http: {addr: 127.0.0.1:0}\n"
        };
        std::fs::write(&file, format!("version: 0.1\n{http}{yaml}")).expect("config.yml");
        let config = Config::load(&file, &[]).expect("a configuration without mistakes");

        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("non-blocking");
        let address = socket.local_addr().expect("its address");
        let (drain, thread) = serve_until_drained(config, Listener::Tcp(socket), frontend, audit);
        Self {
            home,
            address,
            drain: Some(drain),
            thread: Some(thread),
        }
    }

    /// The same at a Unix socket, whose path is given too.
    pub(crate) fn at_unix_socket() -> (Self, PathBuf) {
        let mut served = Self::open();
        served.join();
        let path = served.home.path().join("registry.sock");
        let config =
            Config::load(&served.home.path().join("config.yml"), &[]).expect("a configuration without mistakes");
        let socket = UnixListener::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("non-blocking");
        let (drain, thread) = serve_until_drained(config, Listener::Unix(socket), Frontend::Other, takes_all());
        (served.drain, served.thread) = (Some(drain), Some(thread));
        (served, path)
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection.
    pub(crate) fn client(&self) -> Client {
        Client::tcp(self.address)
    }

    /// Any request, on a connection of its own.
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.client().send(method, target, headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// What is answered to bytes as they are written: no client tidies them. Reads until the registry ends the connection.
    pub(crate) fn exchange(&self, request: &str) -> String {
        exchange(client::connect(self.address).expect("a connection"), request)
    }

    /// Pushes `content` as a blob, in one PUT.
    pub(crate) fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let begun = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        begun.expect(202);
        let digest = sha256(content);
        let put = self.send("PUT", &begun.location_with(&digest), &[], content);
        put.expect(201);
        digest
    }

    /// Pushes an image of one layer under `reference`; gives the manifest's digest and bytes.
    pub(crate) fn push_image(&self, repository: &str, reference: &str, layer: &[u8]) -> (String, Vec<u8>) {
        let manifest = self.image(repository, layer);
        let put = self.put_manifest(repository, reference, &manifest);
        put.expect(201);
        (sha256(&manifest), manifest)
    }

    /// Pushes config and layer, and gives the manifest that names them.
    pub(crate) fn image(&self, repository: &str, layer: &[u8]) -> Vec<u8> {
        let config = self.push_blob(repository, b"{}");
        let digest = self.push_blob(repository, layer);
        let (kind, length) = ("application/vnd.oci.image", layer.len());
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}.manifest.v1+json","config":{{"mediaType":"{kind}.config.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"{kind}.layer.v1.tar","digest":"{digest}","size":{length}}}]}}"#
        )
        .into_bytes()
    }

    /// Puts an OCI image manifest.
    pub(crate) fn put_manifest(&self, repository: &str, reference: &str, manifest: &[u8]) -> Answer {
        let kind = [("Content-Type", "application/vnd.oci.image.manifest.v1+json")];
        self.send(
            "PUT",
            &format!("/v2/{repository}/manifests/{reference}"),
            &kind,
            manifest,
        )
    }

    /// Drains, and gives the directory back for another start.
    pub(crate) fn stop(mut self) -> TempDir {
        self.join();
        std::mem::replace(&mut self.home, tempfile::tempdir().expect("a temporary directory"))
    }

    fn join(&mut self) {
        self.drain.take();
        if let Some(thread) = self.thread.take() {
            assert!(
                thread.join().is_ok() || std::thread::panicking(),
                "the registry panicked"
            );
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.join();
    }
}

/// A log that takes every line.
fn takes_all() -> ConfirmedLog {
    Box::new(|log| {
        log();
        Box::pin(std::future::ready(true))
    })
}

/// Serves on a thread; dropping the sender is the signal to drain.
fn serve_until_drained(
    config: Config,
    listener: Listener,
    frontend: Frontend,
    audit: ConfirmedLog,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (drain, drained) = oneshot::channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || serve(config, listener, frontend, audit, ready, drained));
    is_ready.recv().expect("the registry serves");
    (drain, thread)
}

fn serve(
    config: Config,
    listener: Listener,
    frontend: Frontend,
    audit: ConfirmedLog,
    ready: std::sync::mpsc::Sender<()>,
    drained: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (_keep, reload) = mpsc::channel(1);
    let (_none, more) = mpsc::channel(1);
    let control = Control {
        frontend,
        ready: Box::new(move || ready.send(()).expect("the test waits")),
        drain: Box::pin(async move {
            // Dropping the sender is the signal.
            let _ = drained.await;
        }),
        debug: None,
        more,
        reload,
        reloaded: Box::new(drop),
        audit,
    };
    runtime
        .block_on(lockgate_registry::run(config, listener, control))
        .expect("it served");
}
