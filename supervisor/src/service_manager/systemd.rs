//! systemd, asked through `systemctl`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::definition::ServiceScope;
use crate::os::environment::Environment;

/// Where an administrator's units are: systemd.unit(5), table 1.
const SYSTEM_UNITS: &str = "/etc/systemd/system";
/// sd_booted(3): the directory is there when systemd is the service manager.
const BOOTED: &str = "/run/systemd/system";

/// Why the service manager does not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManagerError {
    /// Another service manager, or none.
    #[error(
        "systemd does not run here ({}); `lockgate service print` shows the unit, `lockgate start` serves without a service manager",
        .missing
    )]
    NotRunning { missing: String },
    #[error("cannot run systemctl: {0}")]
    Systemctl(#[source] io::Error),
    /// `systemctl` failed; it has printed the reason itself.
    #[error("systemctl {command} failed{reason}")]
    Refused { command: String, reason: String },
}

/// What systemd knows about a unit.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct UnitState {
    /// `active`, `inactive`, `failed`, `activating`, …
    pub(crate) active: String,
    /// `running`, `dead`, …
    pub(crate) sub: String,
    /// `enabled`, `disabled`, …
    pub(crate) enabled: String,
    pub(crate) pid: String,
    /// The status text that the service sent (sd_notify(3), `STATUS=`).
    pub(crate) text: String,
    /// When the state last changed.
    pub(crate) since: String,
}

/// A running service manager.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    scope: ServiceScope,
    units: PathBuf,
}

impl ServiceManager {
    /// The service manager of `scope`, if it runs.
    pub(crate) fn running(scope: ServiceScope, environment: &Environment) -> Result<Self, ManagerError> {
        let (socket, units) = match scope {
            ServiceScope::System => (PathBuf::from(BOOTED), PathBuf::from(SYSTEM_UNITS)),
            ServiceScope::User => (user_socket(environment)?, user_units(environment)?),
        };
        match socket.exists() {
            true => Ok(Self { scope, units }),
            false => Err(ManagerError::NotRunning {
                missing: format!("{} is missing", socket.display()),
            }),
        }
    }

    /// Where its units are kept.
    pub(crate) fn units(&self) -> &Path {
        &self.units
    }

    /// Runs `systemctl`, which prints what goes wrong.
    pub(crate) fn call(&self, words: &[&str]) -> Result<(), ManagerError> {
        let status = self.systemctl(words).status().map_err(ManagerError::Systemctl)?;
        match status.success() {
            true => Ok(()),
            false => Err(ManagerError::Refused {
                command: words.join(" "),
                reason: String::new(),
            }),
        }
    }

    /// `verb` for `unit`; when it fails, with what the unit said about itself.
    pub(crate) fn call_about(&self, verb: &str, unit: &str) -> Result<(), ManagerError> {
        self.call(&[verb, unit])
            .map_err(|error| match (error, self.state(unit)) {
                (ManagerError::Refused { command, .. }, Ok(state)) if !state.text.is_empty() => ManagerError::Refused {
                    command,
                    reason: format!(": {}", state.text),
                },
                (error, _) => error,
            })
    }

    /// The state of `unit`.
    pub(crate) fn state(&self, unit: &str) -> Result<UnitState, ManagerError> {
        let properties = "--property=ActiveState,SubState,UnitFileState,MainPID,StatusText,StateChangeTimestamp";
        let output = self
            .systemctl(&["show", properties, unit])
            .output()
            .map_err(ManagerError::Systemctl)?;
        let mut state = UnitState::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let field = match name {
                "ActiveState" => &mut state.active,
                "SubState" => &mut state.sub,
                "UnitFileState" => &mut state.enabled,
                "MainPID" => &mut state.pid,
                "StatusText" => &mut state.text,
                "StateChangeTimestamp" => &mut state.since,
                _ => continue,
            };
            value.clone_into(field);
        }
        Ok(state)
    }

    fn systemctl(&self, words: &[&str]) -> Command {
        let mut command = Command::new("systemctl");
        if self.scope == ServiceScope::User {
            command.arg("--user");
        }
        command
            .args(["--no-pager", "--no-ask-password"].map(OsStr::new))
            .args(words)
            .stdin(Stdio::null());
        command
    }
}

/// The socket that `systemctl --user` connects to.
fn user_socket(environment: &Environment) -> Result<PathBuf, ManagerError> {
    let runtime = environment
        .value("XDG_RUNTIME_DIR")
        .ok_or_else(|| ManagerError::NotRunning {
            missing: "XDG_RUNTIME_DIR is not set: no session of a user".to_owned(),
        })?;
    Ok(Path::new(runtime).join("systemd/private"))
}

/// Where a user's units are: systemd.unit(5), table 2.
fn user_units(environment: &Environment) -> Result<PathBuf, ManagerError> {
    let config = environment.value("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(Path::new(environment.value("HOME")?).join(".config")));
    let config = config.ok_or_else(|| ManagerError::NotRunning {
        missing: "neither XDG_CONFIG_HOME nor HOME is set".to_owned(),
    })?;
    Ok(config.join("systemd/user"))
}
