//! `lockgate registry`: the registry alone, behind somebody's proxy, or behind ours.

use lockgate_config::{Address, Config};
use lockgate_registry::{Control, Front, Listener};
use tokio::sync::mpsc::Receiver;

use super::inherited::{Inherited, Socket};
use super::{Call, Half, ServeError};
use crate::supervise::sockets::{listen_tcp, listen_unix};

/// The name of its socket among `LISTEN_FDNAMES`.
pub(crate) const SOCKET_NAME: &str = "registry";

/// Serves until told to stop.
pub(crate) fn serve(call: Call) -> Result<(), ServeError> {
    let notifier = super::notifier(&call);
    let begun = Half::begin(call, "registry", c"lockgate-regist", notifier.clone());
    super::last_words(begun.and_then(|(half, reload)| serve_half(&half, reload)), &notifier)
}

fn serve_half(half: &Half, reload: Receiver<Config>) -> Result<(), ServeError> {
    let listener = listener(half)?;
    let control = Control {
        front: if half.is_supervised() {
            Front::Lockgate
        } else {
            Front::Other
        },
        ready: half.ready(),
        // Its proxy has left by then: what is in flight is nothing that a client waits for.
        drain: Box::pin(half.orders.leave()),
        reload,
    };
    let serving = lockgate_registry::run(half.config.clone(), listener, control);
    super::run(half, super::runtime()?, serving)
}

fn listener(half: &Half) -> Result<Listener, ServeError> {
    let mut inherited = Inherited::of_process(&half.call.environment);
    let socket = match inherited.named_or_first(SOCKET_NAME).map_err(ServeError::Inherited)? {
        Some(socket) => socket,
        None => match &half.config.http.addr {
            Address::Tcp { host, port } => Socket::Tcp(listen_tcp(host, *port)?),
            Address::Unix(path) => Socket::Unix(listen_unix(path)?),
        },
    };
    Ok(match socket {
        Socket::Tcp(socket) => Listener::Tcp(socket),
        Socket::Unix(socket) => Listener::Unix(socket),
    })
}
