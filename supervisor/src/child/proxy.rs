//! `lockgate proxy`: the front door alone, or in front of our registry.

use std::net::TcpListener;
use std::path::PathBuf;

use lockgate_config::{Address, Config};
use lockgate_proxy::{Control, ProxyListener};
use tokio::sync::mpsc::Receiver;

use super::{Call, Half, ServeError};
use crate::os::listen::{SocketError, listen_tcp};
use crate::os::listen_fds::Inherited;
use crate::os::listen_fds::{PUBLIC_NAME, REDIRECT_NAME};
use crate::os::socket_path::SocketPath;
use crate::role::Role;
use crate::sandbox::Rules;

/// Serves until told to stop. `upstream`: the registry's socket.
pub(crate) fn serve(call: Call, upstream: PathBuf) -> Result<(), ServeError> {
    let notifier = super::notifier(&call);
    let begun = Half::begin(
        call,
        Role::Proxy,
        c"lockgate-proxy",
        notifier.clone(),
        |call, config| {
            let rules = Rules::of(Role::Proxy, config, &call.home).with_socket(&upstream);
            Ok((rules, entrances(call, config)?))
        },
    );
    super::last_words(
        begun.and_then(|(half, reload, entrances)| serve_half(&half, reload, entrances, upstream)),
        &notifier,
    )
}

fn serve_half(
    half: &Half,
    reload: Receiver<Config>,
    entrances: Vec<ProxyListener>,
    upstream: PathBuf,
) -> Result<(), ServeError> {
    lockgate_certs::install_provider();
    // Alive until the end: the proxy connects through it.
    let way = SocketPath::to(&upstream).map_err(|source| SocketError::Unix {
        path: upstream.clone(),
        source,
    })?;
    let control = Control {
        upstream: way.as_path().to_owned(),
        ready: half.ready(),
        drain: Box::pin(half.orders.drain()),
        leave: Box::pin(half.orders.leave()),
        reload,
        reloaded: half.reloaded(),
    };
    let serving = lockgate_proxy::run(half.config.clone(), half.call.home.clone(), entrances, control);
    super::run(half, super::runtime()?, serving)
}

fn entrances(call: &Call, config: &Config) -> Result<Vec<ProxyListener>, ServeError> {
    let mut inherited = Inherited::of_process(&call.environment);
    let http = &config.http;
    let mut open = |name, address: &Address| match inherited.tcp(name).map_err(ServeError::Inherited)? {
        Some(socket) => Ok(socket),
        None => listen(address),
    };
    let public = open(PUBLIC_NAME, &http.addr)?;
    let mut entrances = vec![ProxyListener::Public(public)];
    if let Some(address) = &http.redirect_https {
        entrances.push(ProxyListener::Redirect(open(REDIRECT_NAME, address)?));
    }
    Ok(entrances)
}

fn listen(address: &Address) -> Result<TcpListener, ServeError> {
    match address {
        Address::Tcp { host, port } => Ok(listen_tcp(host, *port)?),
        Address::Unix(_) => Err(ServeError::Address {
            address: address.to_string(),
            reason: "the front door listens on TCP; a Unix socket is served by `lockgate registry`",
        }),
    }
}
