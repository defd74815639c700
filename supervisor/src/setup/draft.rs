//! A configuration that is about to be written: it is checked, with the variables over it, before anything is made.

use std::net::TcpListener;

use lockgate_config::{Address, Home};
use lockgate_files::{Existing, WriteError, write_private};

use super::request::SetupRequest;
use super::{SetupError, listen};

/// The text, and the address in it.
pub(super) struct Draft {
    pub(super) text: String,
    address: Address,
    /// Open already, when the address had to be tried out to be chosen.
    socket: Option<TcpListener>,
}

impl Draft {
    /// `None` when there is a configuration.
    pub(super) fn of(request: &SetupRequest<'_>) -> Result<Option<Self>, SetupError> {
        if request.config.is_some() || request.home.config_file().exists() {
            return Ok(None);
        }
        let (address, socket) = listen::choose(request.listen.as_ref(), request.serve)?;
        Ok(Some(Self {
            text: lockgate_config::template(&address.to_string(), request.hostnames),
            address,
            socket,
        }))
    }

    /// What overrides variables: the address that was asked for, with its real port.
    pub(super) fn listen(&self, request: &SetupRequest<'_>) -> Option<String> {
        request.listen.as_ref().map(|_| self.address.to_string())
    }

    /// Writes it, unless there is one by now.
    pub(super) fn write(&self, home: &Home) -> Result<(), WriteError> {
        write_private(&home.config_file(), &self.text, Existing::Keep)
    }

    /// The socket that was opened, when that is what is to be listened on: a variable may say otherwise.
    pub(super) fn socket_for(self, address: &Address) -> Option<TcpListener> {
        self.socket.filter(|_| self.address == *address)
    }
}
