//! `lockgate registry`: the registry alone, behind somebody's proxy, or behind ours.

use std::time::{Duration, Instant};

use lockgate_config::{Address, Config};
use lockgate_registry::storage::filesystem::{Instance, Owner};
use lockgate_registry::{Control, Front, Listener};
use tokio::sync::mpsc::Receiver;

use super::inherited::{Inherited, Socket};
use super::{Call, Half, ServeError};
use crate::confine::Rules;
use crate::setup::absent::{self, Asked};
use crate::setup::served::History;
use crate::setup::tree;
use crate::supervise::child::{INSTANCE_VARIABLE, Role};
use crate::supervise::sockets::{listen_tcp, listen_unix};

/// The name of its socket among `LISTEN_FDNAMES`.
pub(crate) const SOCKET_NAME: &str = "registry";
/// The name of the debug listener.
pub(crate) const DEBUG_NAME: &str = "debug";

/// How much longer than its drain a registry may take to end.
const AFTER_A_DRAIN: Duration = Duration::from_secs(5);

/// Where clients come in, and where `http.debug` is served.
type Listeners = (Listener, Option<Listener>);

/// Serves until told to stop.
pub(crate) fn serve(call: Call) -> Result<(), ServeError> {
    let notifier = super::notifier(&call);
    let begun = Half::begin(
        call,
        Role::Registry,
        c"lockgate-regist",
        notifier.clone(),
        |call, config| {
            if call.supervisor.is_none() {
                make_what_is_missing(call, config)?;
            }
            Ok((Rules::of(Role::Registry, config, &call.home), listeners(call, config)?))
        },
    );
    super::last_words(
        begun.and_then(|(half, reload, listener)| serve_half(&half, reload, listener)),
        &notifier,
    )
}

/// The supervisor has done so for its child.
fn make_what_is_missing(call: &Call, config: &Config) -> Result<(), ServeError> {
    let asked = Asked {
        home: &call.home,
        config: Some(call.source.path()),
    };
    absent::images(&History::of(&call.home), config, asked)?;
    tree::make(&config.storage.root, None)?;
    if let Some(issuer) = &config.auth.issuer {
        // The registry tells what is wrong with it.
        let _ = lockgate_registry::auth::ensure_token_key(&issuer.key);
    }
    Ok(())
}

fn serve_half(half: &Half, reload: Receiver<Config>, (listener, debug): Listeners) -> Result<(), ServeError> {
    let storage = &half.config.storage;
    let began = Instant::now();
    // What a killed supervisor left drains, as this one's processes would.
    let patience = half.config.http.drain_timeout + AFTER_A_DRAIN;
    let is_patient = || began.elapsed() < patience && !half.orders.is_told_to_end();
    let _owner = Owner::take(&storage.root, &instance(half), storage.read_only, is_patient)?;
    let control = Control {
        front: if half.is_supervised() {
            Front::Lockgate
        } else {
            Front::Other
        },
        ready: half.ready(),
        // Its proxy has left by then: what is in flight is nothing that a client waits for.
        drain: Box::pin(half.orders.leave()),
        debug,
        reload,
        reloaded: half.reloaded(),
    };
    let serving = lockgate_registry::run(half.config.clone(), listener, control);
    super::run(half, super::runtime()?, serving)
}

/// A child is one with its supervisor, before and after a hand-over.
fn instance(half: &Half) -> Instance {
    let told = half.call.environment.value(INSTANCE_VARIABLE);
    match told.filter(|_| half.is_supervised()) {
        Some(told) => Instance::told(told),
        None => Instance::of_process(std::process::id()),
    }
}

fn listeners(call: &Call, config: &Config) -> Result<Listeners, ServeError> {
    let mut inherited = Inherited::of_process(&call.environment);
    let socket = match inherited.named_or_first(SOCKET_NAME).map_err(ServeError::Inherited)? {
        Some(socket) => socket,
        None => match &config.http.addr {
            Address::Tcp { host, port } => Socket::Tcp(listen_tcp(host, *port)?),
            Address::Unix(path) => Socket::Unix(listen_unix(path)?),
        },
    };
    let debug = match (
        &config.http.debug,
        inherited.named(DEBUG_NAME).map_err(ServeError::Inherited)?,
    ) {
        (None, _) => None,
        (Some(_), Some(socket)) => Some(socket),
        (Some(debug), None) => Some(match &debug.addr {
            Address::Tcp { host, port } => {
                Socket::Tcp(listen_tcp(host, *port).map_err(|error| error.at("http.debug.addr"))?)
            }
            Address::Unix(path) => Socket::Unix(listen_unix(path)?),
        }),
    };
    Ok((listener_of(socket), debug.map(listener_of)))
}

fn listener_of(socket: Socket) -> Listener {
    match socket {
        Socket::Tcp(socket) => Listener::Tcp(socket),
        Socket::Unix(socket) => Listener::Unix(socket),
    }
}
