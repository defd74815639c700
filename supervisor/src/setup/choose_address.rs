//! The address of a new configuration: the one asked for, else the port of HTTPS, else one that anybody may use.

use std::net::TcpListener;

use lockgate_config::Address;

use super::SetupError;
use crate::os::listen::{listen_tcp, with_port};

const HTTPS: u16 = 443;
const UNPRIVILEGED: u16 = 5443;

/// The address to write, and the socket if one was opened. Port 0 becomes the port that the system gave.
pub(super) fn choose(request: Option<&Address>, serve: bool) -> Result<(Address, Option<TcpListener>), SetupError> {
    match request {
        Some(Address::Tcp { host, port }) if serve || *port == 0 => {
            let socket = listen_tcp(host, *port)?;
            Ok((with_port(host, *port, &socket), Some(socket)))
        }
        Some(known) => Ok((known.clone(), None)),
        None => {
            let socket = listen_tcp("", HTTPS).ok();
            let port = if socket.is_some() { HTTPS } else { UNPRIVILEGED };
            Ok((
                Address::Tcp {
                    host: String::new(),
                    port,
                },
                socket,
            ))
        }
    }
}
