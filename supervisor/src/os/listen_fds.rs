//! Listening sockets that were handed down: `LISTEN_FDS` and `LISTEN_FDNAMES` of sd_listen_fds(3).

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

use super::environment::Environment;

/// Names of Lockgate's sockets among `LISTEN_FDNAMES`: where clients come in, and where they are sent on to https.
pub(crate) const PUBLIC_NAME: &str = "public";
pub(crate) const REDIRECT_NAME: &str = "redirect";
/// The registry's, which the proxy connects to.
pub(crate) const REGISTRY_NAME: &str = "registry";
/// That of `http.debug`.
pub(crate) const DEBUG_NAME: &str = "debug";

/// The inherited descriptors, each taken once.
pub(crate) struct InheritedSockets {
    descriptors: ListenFd,
    names: Vec<String>,
}

/// A socket of either kind, non-blocking.
#[derive(Debug)]
pub(crate) enum InheritedSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl InheritedSockets {
    /// Those of this process, if there are any.
    pub(crate) fn of_process(environment: &Environment) -> Self {
        let names = environment.value("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            descriptors: ListenFd::from_env(),
            names: names.split(':').map(str::to_owned).collect(),
        }
    }

    pub(crate) fn named(&mut self, name: &str) -> io::Result<Option<InheritedSocket>> {
        match self.names.iter().position(|known| known == name) {
            Some(index) => self.take(index),
            None => Ok(None),
        }
    }

    /// The socket of that name, or the first one: systemd names sockets after their unit.
    pub(crate) fn named_or_first(&mut self, name: &str) -> io::Result<Option<InheritedSocket>> {
        match self.named(name)? {
            Some(socket) => Ok(Some(socket)),
            None => self.take(0),
        }
    }

    /// The TCP socket of that name; `public` is also the first one that has no name of ours.
    pub(crate) fn tcp(&mut self, name: &str) -> io::Result<Option<TcpListener>> {
        let socket = if name == PUBLIC_NAME {
            self.named_or_first(name)?
        } else {
            self.named(name)?
        };
        match socket {
            Some(InheritedSocket::Tcp(socket)) => Ok(Some(socket)),
            None => Ok(None),
            Some(InheritedSocket::Unix(_)) => Err(io::Error::other("expected a TCP socket, found a Unix socket")),
        }
    }

    fn take(&mut self, index: usize) -> io::Result<Option<InheritedSocket>> {
        if index >= self.descriptors.len() {
            return Ok(None);
        }
        // A descriptor of the other kind stays where it is.
        if let Ok(Some(socket)) = self.descriptors.take_tcp_listener(index) {
            socket.set_nonblocking(true)?;
            return Ok(Some(InheritedSocket::Tcp(socket)));
        }
        let Some(socket) = self.descriptors.take_unix_listener(index)? else {
            return Ok(None);
        };
        socket.set_nonblocking(true)?;
        Ok(Some(InheritedSocket::Unix(socket)))
    }
}
