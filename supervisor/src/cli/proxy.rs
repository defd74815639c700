//! `lockgate proxy`: the proxy alone.

use std::path::PathBuf;

use clap::Args;
use lockgate_config::Address;

use super::registry::{call, quiet_when_supervised};
use crate::bootstrap::places::Places;
use crate::child;
use crate::failure::Failure;
use crate::os::environment::Environment;

/// Serves the TLS proxy alone, in the foreground: TLS on `http.addr`, and behind it the registry's socket.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The registry's Unix socket, `unix:PATH` [default: run/registry.sock in the home]
    #[arg(long, value_name = "ADDR")]
    upstream: Option<String>,
    /// Run as a child of the supervisor with this pid: the configuration comes on stdin, the sockets in LISTEN_FDS
    #[arg(long, value_name = "PID", hide = true)]
    supervised: Option<i32>,
}

pub(crate) fn run(arguments: Arguments, environment: &Environment) -> Result<(), Failure> {
    let call = call(&arguments.places, arguments.supervised, environment);
    let upstream = match &arguments.upstream {
        Some(text) => unix_socket(text)?,
        None => call.home.registry_socket(),
    };
    quiet_when_supervised(arguments.supervised, child::proxy(call, upstream))
}

fn unix_socket(text: &str) -> Result<PathBuf, Failure> {
    match text.parse() {
        Ok(Address::Unix(path)) => Ok(path),
        _ => Err(Failure::usage(format!(
            "--upstream {text}: expected unix:PATH, the socket of a `lockgate registry`"
        ))),
    }
}
