//! `run/lockgate.sock`, where other commands ask the supervisor: one line in, one JSON document out.
//!
//! The socket is its owner's alone (mode 0600). A caller that does not send its line in time is dropped.

mod client;
mod protocol;
mod socket;

pub(crate) use client::{ask, ask_running};
pub(crate) use protocol::{ProcessStatus, Reloaded, Request, RunningConfiguration, Status, UpgradeStarted};
pub(crate) use socket::ControlSocket;
