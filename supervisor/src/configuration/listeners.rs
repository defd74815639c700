//! The proxy's listening sockets: handed down, kept from before, or opened here.

use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use lockgate_config::{Address, Http};

use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::os::listen::{ListeningSocket, SocketError, listen_tcp, listen_unix, with_port};
use crate::os::listen_fds::InheritedSockets;
use crate::os::listen_fds::{DEBUG_NAME, PUBLIC_NAME, REDIRECT_NAME};

/// After a crash, the children that it left let go of their sockets within this time.
const CRASH_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// Why an address is not listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenerError {
    /// A descriptor that was handed down.
    #[error("LISTEN_FDS: {0}")]
    Inherited(io::Error),
    /// A Unix socket where clients come in.
    #[error("{key} = {address}: the proxy listens on host:port; a Unix socket is served by `lockgate registry`")]
    Unix { key: &'static str, address: String },
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("{key} = {address}: {source}")]
    Clone {
        key: &'static str,
        address: String,
        source: io::Error,
    },
}

/// A listening socket that the configuration asks for.
struct WantedListener<'a> {
    name: &'static str,
    key: &'static str,
    address: &'a Address,
}

/// The public one first.
fn wanted(http: &Http) -> Vec<WantedListener<'_>> {
    let mut wanted = vec![WantedListener {
        name: PUBLIC_NAME,
        key: "http.addr",
        address: &http.addr,
    }];
    wanted.extend(http.redirect_https.as_ref().map(|address| WantedListener {
        name: REDIRECT_NAME,
        key: "http.redirecthttps",
        address,
    }));
    wanted.extend(http.debug.as_ref().map(|debug| WantedListener {
        name: DEBUG_NAME,
        key: "http.debug.addr",
        address: &debug.addr,
    }));
    wanted
}

/// Every address that is listened on, with the key that says so.
pub(crate) fn addresses(http: &Http) -> Vec<(&'static str, &Address)> {
    wanted(http)
        .into_iter()
        .map(|wanted| (wanted.key, wanted.address))
        .collect()
}

/// The listening sockets that a configuration asks for.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// The public one first.
    sockets: Vec<ListeningSocket>,
}

impl Listeners {
    /// Those of `known` that fit, and the others newly opened.
    pub(crate) fn open(http: &Http, known: &[&ListeningSocket]) -> Result<Self, ListenerError> {
        let sockets = open_within(http, known, Duration::ZERO)?;
        Ok(Self { sockets })
    }

    /// The same at the beginning. After a crash, addresses may be in use for a moment longer.
    pub(crate) fn open_first(http: &Http, known: &[ListeningSocket], after_crash: bool) -> Result<Self, ListenerError> {
        let timeout = if after_crash { CRASH_TIMEOUT } else { Duration::ZERO };
        let sockets = open_within(http, &known.iter().collect::<Vec<_>>(), timeout)?;
        Ok(Self { sockets })
    }

    /// Its real address: a port 0 became another, and a socket that was handed down may listen elsewhere.
    pub(crate) fn public_address(&self) -> &Address {
        &self.sockets[0].address
    }

    pub(crate) fn into_sockets(self) -> Vec<ListeningSocket> {
        self.sockets
    }
}

fn open_within(
    http: &Http,
    known: &[&ListeningSocket],
    timeout: Duration,
) -> Result<Vec<ListeningSocket>, ListenerError> {
    wanted(http)
        .into_iter()
        .map(|WantedListener { name, key, address }| {
            if let Some(socket) = known.iter().find(|socket| socket.serves(name, address)) {
                return socket.try_clone().map_err(|source| ListenerError::Clone {
                    key,
                    address: address.to_string(),
                    source,
                });
            }
            if let (DEBUG_NAME, Address::Unix(path)) = (name, address) {
                return Ok(ListeningSocket {
                    name: name.to_owned(),
                    asked: address.clone(),
                    address: address.clone(),
                    descriptor: listen_unix(path)?.into(),
                });
            }
            let (host, port) = tcp(key, address)?;
            let socket = listen_within(host, port, timeout).map_err(|error| error.at(key))?;
            Ok(of(name, address, with_port(host, port, &socket), socket))
        })
        .collect()
}

/// Sockets that are open already: those of LISTEN_FDS, wherever they listen, and the one that set-up `tried_out`.
pub(crate) fn handed_down(
    http: &Http,
    mut tried_out: Option<TcpListener>,
    environment: &Environment,
) -> Result<Vec<ListeningSocket>, ListenerError> {
    let mut inherited = InheritedSockets::of_process(environment);
    let mut sockets = Vec::new();
    for WantedListener { name, key, address } in wanted(http) {
        let tried_out = (name == PUBLIC_NAME).then(|| tried_out.take()).flatten();
        let socket = inherited.tcp(name).map_err(ListenerError::Inherited)?.or(tried_out);
        if let Some(socket) = socket {
            let (host, port) = tcp(key, address)?;
            sockets.push(of(name, address, with_port(host, port, &socket), socket));
        }
    }
    Ok(sockets)
}

fn tcp<'a>(key: &'static str, address: &'a Address) -> Result<(&'a str, u16), ListenerError> {
    match address {
        Address::Tcp { host, port } => Ok((host, *port)),
        Address::Unix(_) => Err(ListenerError::Unix {
            key,
            address: address.to_string(),
        }),
    }
}

fn of(name: &str, asked: &Address, address: Address, socket: TcpListener) -> ListeningSocket {
    ListeningSocket {
        name: name.to_owned(),
        asked: asked.clone(),
        address,
        descriptor: socket.into(),
    }
}

fn listen_within(host: &str, port: u16, timeout: Duration) -> Result<TcpListener, SocketError> {
    let deadline = Instant::now() + timeout;
    loop {
        match listen_tcp(host, port) {
            Err(SocketError::InUse { .. }) if Instant::now() < deadline => std::thread::sleep(POLL),
            opened => return opened,
        }
    }
}

impl From<ListenerError> for Failure {
    fn from(error: ListenerError) -> Self {
        match error {
            ListenerError::Unix { .. } => Self::configuration(error),
            other => Self::new(other),
        }
    }
}
