//! `run/lockgate.sock`: a person, or another program, asks the supervisor. One word in, one JSON document out.
//!
//! The socket is the owner's alone (mode 0600); a caller that dawdles is dropped.

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

/// How long one caller may keep the supervisor.
const CALLER_TIMEOUT: Duration = Duration::from_millis(250);
/// How long the supervisor may keep a caller: a reload reads files.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A socket that was removed is made again.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(1);
/// Whoever runs answers, also while another binary takes over.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
/// A word and a path.
const LONGEST_REQUEST: u64 = 64 + 4096;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// How everything is: a [`Status`].
    Status,
    /// Read the configuration again: a [`Reloaded`].
    Reload,
    /// What it works with: a [`RunningConfiguration`].
    Configuration,
    /// Let the binary at this path take over: a [`UpgradeStarted`].
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
    /// Of the program.
    pub(crate) version: String,
    /// The supervisor's.
    pub(crate) pid: i32,
    pub(crate) uptime_seconds: u64,
    /// Where clients reach the registry.
    pub(crate) url: String,
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// Where clients are served.
    #[serde(default)]
    pub(crate) endpoint: Option<Endpoint>,
    /// How long an orderly end may take.
    pub(crate) drain_timeout_seconds: u64,
    /// Whether a configuration is being taken up.
    #[serde(default)]
    pub(crate) reloading: bool,
    /// What the supervisor's log has lost by now, while it takes nothing.
    #[serde(default)]
    pub(crate) log_lines_lost: u64,
    /// Why the registry's socket, which somebody removed, is not back.
    #[serde(default)]
    pub(crate) socket_error: Option<String>,
    /// Why the last reload was refused, while it is.
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
    /// Those that were replaced and finish what they have.
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
    /// Starts after the first.
    pub(crate) restarts: u32,
    pub(crate) address: String,
    /// What it said last about itself.
    pub(crate) note: Option<String>,
    /// What its log has lost by now, while it takes nothing.
    #[serde(default)]
    pub(crate) log_lines_lost: u64,
}

impl Status {
    /// Whether both processes say that they serve.
    pub(crate) fn is_ready(&self) -> bool {
        !self.processes.is_empty() && self.processes.iter().all(|process| process.state == "ready")
    }

    /// What does not keep clients from being served, and somebody should mend: a line or more each.
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
    /// Each mistake, or each remark.
    pub(crate) messages: Vec<String>,
    /// Not done because of the end, whatever the configuration is like.
    #[serde(default)]
    pub(crate) is_ending: bool,
}

/// Answer to [`Request::Configuration`], so that other commands work with the same. It may hold secrets, as the
/// environment of the process does; the socket is its owner's alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningConfiguration {
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// The variables over it; `--listen` is one of them.
    pub(crate) variables: Vec<(String, String)>,
}

/// Answer to [`Request::Upgrade`]: what comes of it is seen in the [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UpgradeStarted {
    /// Why it did not begin.
    pub(crate) error: Option<String>,
}

/// The supervisor's end.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens on `path`.
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

/// Somebody who waits for an answer.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    pub(crate) request: Request,
    caller: UnixStream,
}

impl PendingRequest {
    /// Answers and hangs up.
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

/// The asking end.
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
