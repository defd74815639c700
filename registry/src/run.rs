//! Serves a configuration on a listener until told to drain.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use futures_util::future::join_all;
use lockgate_config::Config;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::auth::AccessController;
use crate::control::{Control, Frontend, Listener, ReloadCallback};
use crate::http::context::app::App;
use crate::http::context::metrics::Metrics;
use crate::http::context::settings::HttpSettings;
use crate::http::server::ServerLimits;
use crate::service::{self, Registry};
use crate::storage::filesystem::{self, FilesystemStorage};
use crate::{http, maintenance};

/// Why the registry cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The storage root cannot be used.
    #[error("storage.filesystem.rootdirectory = {path}: {reason}")]
    Storage {
        /// The root.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that the configuration names cannot be used.
    #[error("{key}: {reason}")]
    Configuration {
        /// The key path.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server itself.
    #[error("cannot serve: {0}")]
    Serve(#[source] std::io::Error),
}

/// Serves until told to drain. Runs on a tokio runtime; workers have threads of their own.
pub async fn run(config: Config, listener: Listener, control: Control) -> Result<(), RunError> {
    let Control {
        frontend,
        ready,
        drain,
        debug,
        more,
        reload,
        reloaded,
        audit,
    } = control;
    if frontend == Frontend::Other
        && config.http.tls.is_some()
        && let Some(warning) = config.warning_without_tls()
    {
        tracing::warn!("http.host: {warning}");
    }
    let storage = open_storage(&config)?;
    let access = AccessController::new(&config.auth).map_err(|error| wrong("auth", &error))?;
    let registry = service_of(&config, storage.clone())?;
    let metrics = counts(&config).then(Metrics::new);
    let app = App::new(registry, access, HttpSettings::new(&config, frontend), metrics, audit);

    let limits = ServerLimits::new(&config, frontend);
    let server = http::server::server(app.clone(), listener, limits).map_err(RunError::Serve)?;
    let handle = server.handle();
    let mut background = Background::start(
        &config,
        &app,
        storage,
        apply_reloads(app.clone(), reload, reloaded, frontend),
    );
    if let (Some(listener), Some(debug)) = (debug, &config.http.debug) {
        let server = http::debug::server(app.clone(), listener, debug).map_err(RunError::Serve)?;
        background.0.push(tokio::spawn(async {
            if let Err(error) = server.await {
                tracing::error!(%error, "http.debug is no longer served");
            }
        }));
    }
    let serving = tokio::spawn(server);
    let others = Arc::new(Mutex::new(Vec::new()));
    background
        .0
        .push(tokio::spawn(serve_more(app, more, limits, others.clone())));
    tracing::info!(storage = %config.storage.root.display(), "registry serves");
    ready();

    drain.await;
    tracing::info!("registry drains");
    background.stop();
    let others: Vec<_> = others.lock().await.drain(..).collect();
    join_all(others.iter().chain([&handle]).map(|handle| handle.stop(true))).await;
    serving
        .await
        .map_err(|error| RunError::Serve(error.into()))?
        .map_err(RunError::Serve)
}

/// Serves on sockets that come later.
async fn serve_more(
    app: Arc<App>,
    mut more: mpsc::Receiver<Listener>,
    limits: ServerLimits,
    handles: Arc<Mutex<Vec<ServerHandle>>>,
) {
    while let Some(listener) = more.recv().await {
        match http::server::server(app.clone(), listener, limits) {
            Ok(server) => {
                handles.lock().await.push(server.handle());
                tokio::spawn(server);
            }
            Err(error) => tracing::error!(%error, "a further socket cannot be served"),
        }
    }
}

/// Whether somebody can ask for counters.
fn counts(config: &Config) -> bool {
    config
        .http
        .debug
        .as_ref()
        .is_some_and(|debug| debug.prometheus.is_some())
}

fn open_storage(config: &Config) -> Result<Arc<FilesystemStorage>, RunError> {
    let root = &config.storage.root;
    let settings = filesystem::FilesystemSettings {
        max_threads: config.storage.max_threads,
    };
    FilesystemStorage::open(root, settings)
        .map(Arc::new)
        .map_err(|error| RunError::Storage {
            path: root.clone(),
            reason: error.to_string(),
        })
}

fn service_of(config: &Config, storage: Arc<FilesystemStorage>) -> Result<Registry, RunError> {
    let settings = service::ServiceSettings::new(&config.storage, &config.http.limits, &config.validation)
        .map_err(|error| wrong("validation", &error))?;
    Ok(Registry::new(storage, settings))
}

fn wrong(key: &str, error: &dyn std::error::Error) -> RunError {
    RunError::Configuration {
        key: key.to_owned(),
        reason: error.to_string(),
    }
}

/// What runs beside the requests: reloads, the purge of abandoned uploads, the health check.
struct Background(Vec<JoinHandle<()>>);

impl Background {
    fn start(
        config: &Config,
        app: &Arc<App>,
        storage: Arc<FilesystemStorage>,
        reloads: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut tasks = vec![tokio::spawn(reloads)];
        if let Some(health) = config.health.storage {
            tasks.push(tokio::spawn(http::context::storage_health::watch(
                app.health.clone(),
                storage.clone(),
                health,
            )));
        }
        if let Some(purging) = config.storage.upload_purging {
            tasks.push(tokio::spawn(maintenance::purge_loop(
                storage,
                purging,
                std::future::pending(),
            )));
        }
        Self(tasks)
    }

    fn stop(self) {
        for task in self.0 {
            task.abort();
        }
    }
}

/// A configuration whose files cannot be used leaves the one in force as it is.
async fn apply_reloads(
    app: Arc<App>,
    mut reload: mpsc::Receiver<Config>,
    reloaded: ReloadCallback,
    frontend: Frontend,
) {
    while let Some(config) = reload.recv().await {
        let applied = service::ServiceSettings::new(&config.storage, &config.http.limits, &config.validation)
            .map_err(|error| error.to_string())
            .and_then(|settings| {
                app.access
                    .reload(&config.auth)
                    .map(|()| settings)
                    .map_err(|error| error.to_string())
            });
        let applied = applied.map(|settings| {
            app.registry.reload(settings);
            let settings = HttpSettings::new(&config, frontend).after(&app.settings.load());
            app.settings.store(Arc::new(settings));
        });
        match &applied {
            Ok(()) => tracing::info!("registry goes on with the new configuration"),
            Err(error) => tracing::error!(error, "the configuration was not applied, the old one goes on"),
        }
        reloaded(applied);
    }
}
