//! `run/lockgate.sock`, where other commands ask the supervisor: one line in, one JSON document out.
//!
//! The socket is its owner's alone (mode 0600). A caller that does not send its line in time is dropped.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::health_request::Endpoint;
use crate::os::listen::is_missing;
use crate::os::listen::{SocketError, listen_unix};
use crate::os::socket_path::SocketPath;

/// How long the supervisor waits for one caller: it does nothing else meanwhile.
const CALLER_TIMEOUT: Duration = Duration::from_millis(250);
/// How long a caller waits for the answer: a reload reads files.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A socket that was removed is made again within this time.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(1);
/// A running supervisor accepts within this time, also while another binary takes over.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
/// A request's name and a path.
const LONGEST_REQUEST: u64 = 64 + 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Answered by a [`Status`].
    Status,
    /// Read the configuration again; answered by a [`Reloaded`].
    Reload,
    /// Answered by a [`RunningConfiguration`].
    Configuration,
    /// Let the binary at this path take over; answered by an [`UpgradeStarted`].
    Upgrade(PathBuf),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status"),
            Self::Reload => f.write_str("reload"),
            Self::Configuration => f.write_str("configuration"),
            Self::Upgrade(path) => write!(f, "upgrade {}", path.display()),
        }
    }
}

impl FromStr for Request {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        match line.split_once(' ') {
            None if line == "status" => Ok(Self::Status),
            None if line == "reload" => Ok(Self::Reload),
            None if line == "configuration" => Ok(Self::Configuration),
            Some(("upgrade", path)) if path.starts_with('/') => Ok(Self::Upgrade(path.into())),
            _ => Err(()),
        }
    }
}

/// Answer to [`Request::Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: i32,
    pub(crate) uptime_seconds: u64,
    pub(crate) url: String,
    pub(crate) config: PathBuf,
    /// Where `lockgate status` asks as a client does.
    #[serde(default)]
    pub(crate) endpoint: Option<Endpoint>,
    /// How long an orderly end may take.
    pub(crate) drain_timeout_seconds: u64,
    /// Whether a configuration is being taken up.
    #[serde(default)]
    pub(crate) reloading: bool,
    /// Lines of the supervisor's log that are lost by now, while no sink takes any.
    #[serde(default)]
    pub(crate) log_lines_lost: u64,
    /// Why the registry's socket, which somebody removed, is not back.
    #[serde(default)]
    pub(crate) socket_error: Option<String>,
    /// Why the last reload was refused, until one succeeds.
    pub(crate) reload_error: Option<String>,
    /// Why there is no certificate or no new one, or why clients will refuse the present one.
    #[serde(default)]
    pub(crate) certificate_problem: Option<String>,
    /// How many pairs of processes have served, the present one included.
    #[serde(default)]
    pub(crate) generation: u32,
    /// Whether another pair is about to take over.
    #[serde(default)]
    pub(crate) replacing: bool,
    /// Why the last upgrade failed, until one succeeds.
    #[serde(default)]
    pub(crate) upgrade_error: Option<String>,
    pub(crate) processes: Vec<ProcessStatus>,
    /// Processes that were replaced and finish their requests.
    #[serde(default)]
    pub(crate) leaving: Vec<ProcessStatus>,
}

/// One child in a [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessStatus {
    pub(crate) name: String,
    /// `ready`, `starting`, `restarting`, `killed`, `draining` or `stopped`.
    pub(crate) state: String,
    pub(crate) pid: Option<i32>,
    pub(crate) uptime_seconds: Option<u64>,
    /// Starts after the first one.
    pub(crate) restarts: u32,
    pub(crate) address: String,
    /// Its last `STATUS`.
    pub(crate) note: Option<String>,
    /// Lines of its log that are lost by now, while no sink takes any.
    #[serde(default)]
    pub(crate) log_lines_lost: u64,
}

impl Status {
    /// Whether both processes say that they serve.
    pub(crate) fn is_ready(&self) -> bool {
        !self.processes.is_empty() && self.processes.iter().all(|process| process.state == "ready")
    }

    /// Problems that a person should mend although clients are served: a line or more each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problem = |what: &str, why: &Option<String>| why.as_ref().map(|why| format!("{what}{why}"));
        [
            problem("run/registry.sock was removed and is not back: ", &self.socket_error),
            problem("certificate: ", &self.certificate_problem),
            problem("the last upgrade failed: ", &self.upgrade_error),
            problem(
                "the configuration file was refused, the old configuration goes on:\n",
                &self.reload_error,
            ),
        ]
        .into_iter()
        .flatten()
        .chain(self.log_problems())
        .collect()
    }

    fn log_problems(&self) -> impl Iterator<Item = String> {
        let processes = self.processes.iter().chain(&self.leaving);
        let children = processes.map(|process| (process.name.as_str(), process.log_lines_lost));
        std::iter::once(("supervisor", self.log_lines_lost))
            .chain(children)
            .filter(|(_, lost)| *lost > 0)
            .map(|(name, lost)| format!("the log of the {name} takes nothing, {lost} lines are lost by now"))
    }
}

/// Answer to [`Request::Reload`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// Whether the configuration in the file holds no mistake. Whether it is in force is seen in the [`Status`], once
    /// it is no longer `reloading`.
    pub(crate) done: bool,
    /// The mistakes of a configuration that was refused, the warnings of one that was not.
    pub(crate) messages: Vec<String>,
    /// Whether it was not done because the instance is ending.
    #[serde(default)]
    pub(crate) is_ending: bool,
}

/// Answer to [`Request::Configuration`], so that other commands work with the same. It may hold secrets, as the
/// environment of the process does; the socket is its owner's alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningConfiguration {
    pub(crate) config: PathBuf,
    /// The variables over it; `--listen` is one of them.
    pub(crate) variables: Vec<(String, String)>,
}

/// Answer to [`Request::Upgrade`]; the [`Status`] tells how it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UpgradeStarted {
    /// Why the upgrade did not begin, if it did not.
    pub(crate) error: Option<String>,
}

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
        let patience = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => RESTORE_TIMEOUT,
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
                Duration::ZERO
            }
            _ => CONNECT_TIMEOUT,
        };
        if asked.elapsed() >= patience {
            return Err(error);
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn words_that_mean_nothing_are_not_requests() {
        assert_eq!("status".parse(), Ok(Request::Status));
        assert_eq!("configuration".parse(), Ok(Request::Configuration));
        for line in ["stop", "", "upgrade", "upgrade lockgate", "status "] {
            assert_eq!(line.parse::<Request>(), Err(()), "{line:?}");
        }
        let upgrade = Request::Upgrade("/opt/a b/lockgate".into());
        assert_eq!(upgrade.to_string().parse(), Ok(upgrade));
    }
}
