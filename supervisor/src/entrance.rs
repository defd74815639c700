//! The front door's listening sockets: handed down, opened at set-up, or opened here.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use lockgate_config::Address;

use crate::environment::Environment;
use crate::serve::{Inherited, PUBLIC_NAME, REDIRECT_NAME};
use crate::setup::Prepared;
use crate::setup::listen::with_port;
use crate::supervise::sockets::{SocketError, listen_tcp};

/// After a crash, the children that it left let go of their sockets within this time.
const CRASH_PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntranceError {
    /// A descriptor that was handed down.
    #[error("LISTEN_FDS: {0}")]
    Inherited(io::Error),
    /// No TCP.
    #[error("{key} = {address}: the front door listens on host:port; a Unix socket is served by `lockgate registry`")]
    Unix { key: &'static str, address: String },
    /// The socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// The open sockets, and where the first one really listens.
#[derive(Debug)]
pub(crate) struct Entrances {
    pub(crate) address: Address,
    pub(crate) sockets: Vec<(&'static str, OwnedFd)>,
}

impl Entrances {
    /// Opens what the configuration asks for.
    pub(crate) fn open(
        prepared: &mut Prepared,
        environment: &Environment,
        after_crash: bool,
    ) -> Result<Self, EntranceError> {
        let patience = if after_crash { CRASH_PATIENCE } else { Duration::ZERO };
        let mut inherited = Inherited::of_process(environment);
        let mut open = |name, key, address: &Address, opened: Option<TcpListener>| {
            let Address::Tcp { host, port } = address else {
                return Err(EntranceError::Unix {
                    key,
                    address: address.to_string(),
                });
            };
            let socket = match (inherited.tcp(name).map_err(EntranceError::Inherited)?, opened) {
                (Some(socket), _) | (None, Some(socket)) => socket,
                (None, None) => listen_patiently(host, *port, patience)?,
            };
            Ok((with_port(host, *port, &socket), OwnedFd::from(socket)))
        };
        let http = &prepared.accepted.config.http;
        let (address, public) = open(PUBLIC_NAME, "http.addr", &http.addr, prepared.socket.take())?;
        let mut sockets = vec![(PUBLIC_NAME, public)];
        if let Some(redirect) = &http.redirect_https {
            sockets.push((
                REDIRECT_NAME,
                open(REDIRECT_NAME, "http.redirecthttps", redirect, None)?.1,
            ));
        }
        Ok(Self { address, sockets })
    }
}

fn listen_patiently(host: &str, port: u16, patience: Duration) -> Result<TcpListener, SocketError> {
    let deadline = Instant::now() + patience;
    loop {
        match listen_tcp(host, port) {
            Err(SocketError::InUse { .. }) if Instant::now() < deadline => std::thread::sleep(POLL),
            opened => return opened,
        }
    }
}
