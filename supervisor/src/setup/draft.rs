//! A configuration that is about to be written: it is checked, with the variables over it, before anything is made.

use std::net::TcpListener;

use lockgate_config::{Address, Home};
use lockgate_files::{Existing, WriteError, write_private};

use super::request::SetupRequest;
use super::{SetupError, choose_address};

pub(super) struct Draft {
    pub(super) text: String,
    address: Address,
    /// Open when the port had to be tried in order to choose it.
    socket: Option<TcpListener>,
}

impl Draft {
    /// Drafts a configuration; `None` when there is one already.
    pub(super) fn of(request: &SetupRequest<'_>) -> Result<Option<Self>, SetupError> {
        if request.config.is_some() || request.home.config_file().exists() {
            return Ok(None);
        }
        let (address, socket) = choose_address::choose(request.listen.as_ref(), request.serve)?;
        Ok(Some(Self {
            text: lockgate_config::template(&address.to_string(), request.hostnames),
            address,
            socket,
        }))
    }

    /// The address from the command line, with the port that was chosen; it overrides variables.
    pub(super) fn listen(&self, request: &SetupRequest<'_>) -> Option<String> {
        request.listen.as_ref().map(|_| self.address.to_string())
    }

    /// Writes the configuration, unless somebody else has written one meanwhile.
    pub(super) fn write(&self, home: &Home) -> Result<(), WriteError> {
        write_private(&home.config_file(), &self.text, Existing::Keep)
    }

    /// The open socket, if `address` is still the one in the draft: a variable may have overridden it.
    pub(super) fn socket_for(self, address: &Address) -> Option<TcpListener> {
        self.socket.filter(|_| self.address == *address)
    }
}
