//! The supervisor's side: it takes a request when one is there, and answers it at once.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::protocol::Request;
use crate::os::listen::{SocketError, is_missing, listen_unix};

/// How long the supervisor waits for one caller: it does nothing else meanwhile.
const CALLER_TIMEOUT: Duration = Duration::from_millis(250);
/// A request's name and a path.
const LONGEST_REQUEST: u64 = 64 + 4096;

/// The listening end, which the supervisor holds.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    pub(crate) fn listen(path: &Path) -> Result<Self, SocketError> {
        Ok(Self {
            listener: listen_for_owner(path)?,
            path: path.to_owned(),
        })
    }

    /// Listens anew when its file was removed. Says whether it was.
    pub(crate) fn restore(&mut self) -> Result<bool, SocketError> {
        let is_missing = is_missing(&self.path);
        if is_missing {
            self.listener = listen_for_owner(&self.path)?;
        }
        Ok(is_missing)
    }

    /// Goes on with a socket that another binary opened.
    pub(crate) fn adopt(descriptor: OwnedFd, path: &Path) -> Self {
        Self {
            listener: descriptor.into(),
            path: path.to_owned(),
        }
    }

    /// The next call, if somebody asks now.
    pub(crate) fn next(&self) -> io::Result<Option<PendingRequest>> {
        loop {
            let caller = match self.listener.accept() {
                Ok((caller, _)) => caller,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            match listen_to(caller) {
                Ok(call) => return Ok(Some(call)),
                Err(error) => tracing::debug!(%error, "a request on the control socket was not understood"),
            }
        }
    }
}

fn listen_for_owner(path: &Path) -> Result<UnixListener, SocketError> {
    let listener = listen_unix(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|source| SocketError::Unix {
        path: path.to_owned(),
        source,
    })?;
    Ok(listener)
}

fn listen_to(caller: UnixStream) -> io::Result<PendingRequest> {
    caller.set_nonblocking(false)?;
    caller.set_read_timeout(Some(CALLER_TIMEOUT))?;
    caller.set_write_timeout(Some(CALLER_TIMEOUT))?;
    let mut line = String::new();
    BufReader::new((&caller).take(LONGEST_REQUEST)).read_line(&mut line)?;
    let request = line
        .trim_end_matches('\n')
        .parse()
        .map_err(|()| io::Error::other(format!("unknown request {line:?}")))?;
    Ok(PendingRequest { request, caller })
}

/// A caller that waits for an answer.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    pub(crate) request: Request,
    caller: UnixStream,
}

impl PendingRequest {
    pub(crate) fn reply(mut self, answer: &impl Serialize) {
        let answered = serde_json::to_string(answer).map_err(io::Error::other);
        if let Err(error) = answered.and_then(|text| writeln!(self.caller, "{text}")) {
            tracing::debug!(%error, "a caller on the control socket went away");
        }
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Best effort: the next start replaces it anyway.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::control::{Reloaded, ask};

    #[test]
    fn asked_and_answered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lockgate.sock");
        let socket = ControlSocket::listen(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let expected = Reloaded {
            done: false,
            messages: vec!["http.addr: no".into()],
            is_ending: false,
        };
        let asking = std::thread::spawn(move || ask::<Reloaded>(&path, &Request::Reload).unwrap());
        let call = loop {
            match socket.next().unwrap() {
                Some(call) => break call,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(call.request, Request::Reload);
        call.reply(&expected);
        assert_eq!(asking.join().unwrap(), expected);
    }
}
