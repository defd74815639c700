//! What can be asked on the control socket, and the answers. Other versions of the program read them too: a field that is
//! added has a default.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::supervisor::health_request::Endpoint;

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

#[cfg(test)]
mod tests {
    use super::*;

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
