//! The side of the commands that ask a running supervisor.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::protocol::Request;
use crate::os::socket_path::SocketPath;

/// How long a caller waits for the answer: a reload reads files.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A socket that was removed is made again within this time.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(1);
/// A running supervisor accepts within this time, also while another binary takes over.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// Sends a request to the supervisor that listens on `socket`, and waits for its answer.
pub(crate) fn ask<T: DeserializeOwned>(socket: &Path, request: &Request) -> io::Result<T> {
    let mut stream = UnixStream::connect(SocketPath::to(socket)?.as_path())?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    writeln!(stream, "{request}")?;
    stream.shutdown(Shutdown::Write)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    serde_json::from_str(&reply).map_err(io::Error::other)
}

/// Asks an instance that runs, though its socket may be away for a moment: what is removed below `run/` is made again, and
/// an upgrade cuts a call off.
pub(crate) fn ask_running<T: DeserializeOwned>(socket: &Path, request: &Request) -> io::Result<T> {
    let asked = Instant::now();
    loop {
        let error = match ask(socket, request) {
            Err(error) => error,
            answered => return answered,
        };
        let timeout = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => RESTORE_TIMEOUT,
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
                Duration::ZERO
            }
            _ => CONNECT_TIMEOUT,
        };
        if asked.elapsed() >= timeout {
            return Err(error);
        }
        std::thread::sleep(POLL);
    }
}
