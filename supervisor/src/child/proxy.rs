//! `lockgate proxy`: the proxy, in front of Lockgate's registry.

use std::net::TcpListener;
use std::path::PathBuf;

use lockgate_config::{Address, Config};
use lockgate_proxy::{Control, ProxyListener};
use lockgate_registry::Layout;
use tokio::sync::mpsc::Receiver;

use super::args::ServeArgs;
use super::error::ServeError;
use super::process::{ServingProcess, notifier, report_exit, run, runtime};
use crate::os::listen::{SocketError, listen_tcp};
use crate::os::listen_fds::InheritedSockets;
use crate::os::listen_fds::{PUBLIC_NAME, REDIRECT_NAME};
use crate::os::socket_path::SocketPath;
use crate::role::Role;
use crate::sandbox::Rules;

/// Serves until a signal asks for the end. `upstream`: the registry's socket.
pub(crate) fn serve(args: ServeArgs, upstream: PathBuf) -> Result<(), ServeError> {
    let notifier = notifier(&args);
    let begun = ServingProcess::begin(
        args,
        Role::Proxy,
        c"lockgate-proxy",
        notifier.clone(),
        |args, config| {
            let rules = Rules::of(Role::Proxy, config, &args.home).with_socket(&upstream);
            Ok((rules, listeners(args, config)?))
        },
    );
    report_exit(
        begun.and_then(|(process, reload, listeners)| serve_process(&process, reload, listeners, upstream)),
        &notifier,
    )
}

fn serve_process(
    process: &ServingProcess,
    reload: Receiver<Config>,
    listeners: Vec<ProxyListener>,
    upstream: PathBuf,
) -> Result<(), ServeError> {
    lockgate_certs::install_provider();
    // Kept until the end: the proxy connects through it.
    let way = SocketPath::to(&upstream).map_err(|source| SocketError::Unix {
        path: upstream.clone(),
        source,
    })?;
    let control = Control {
        upstream: way.as_path().to_owned(),
        blob_root: Box::new(|config| Layout::new(&config.storage.root).blobs().to_owned()),
        ready: process.ready(),
        drain: Box::pin(process.shutdown.drain()),
        leave: Box::pin(process.shutdown.leave()),
        reload,
        reloaded: process.reloaded(),
    };
    let serving = lockgate_proxy::run(process.config.clone(), process.args.home.clone(), listeners, control);
    run(process, runtime()?, serving)
}

fn listeners(args: &ServeArgs, config: &Config) -> Result<Vec<ProxyListener>, ServeError> {
    let mut inherited = InheritedSockets::of_process(&args.environment);
    let http = &config.http;
    let mut open = |name, address: &Address| match inherited.tcp(name).map_err(ServeError::Inherited)? {
        Some(socket) => Ok(socket),
        None => listen(address),
    };
    let public = open(PUBLIC_NAME, &http.addr)?;
    let mut listeners = vec![ProxyListener::Public(public)];
    if let Some(address) = &http.redirect_https {
        listeners.push(ProxyListener::Redirect(open(REDIRECT_NAME, address)?));
    }
    Ok(listeners)
}

fn listen(address: &Address) -> Result<TcpListener, ServeError> {
    match address {
        Address::Tcp { host, port } => Ok(listen_tcp(host, *port)?),
        Address::Unix(_) => Err(ServeError::Address {
            address: address.to_string(),
            reason: "the proxy listens on TCP; a Unix socket is served by `lockgate registry`",
        }),
    }
}
