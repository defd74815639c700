//! Another binary takes the supervisor's place: same pid, same sockets, same children at first.
//!
//! ```text
//! ask the new binary whether it understands upgrade state and configuration (a process of its own, nothing is risked)
//!   ─▶ write the upgrade state ─▶ execve ─▶ the new supervisor adopts the children and hands over to its own
//! ```

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Pid, dup2_stdin, execve};

use super::upgrade_check::UpgradeCheck;
use super::upgrade_state;
use crate::logging;
use crate::os::environment::TAKE_OVER_VARIABLE;
use crate::os::exit_status::ExitStatus;
use crate::supervisor::state::Supervisor;

/// Why a reload or an upgrade is refused during the end.
pub(crate) const ENDING: &str = "the registry is being stopped";

impl Supervisor {
    /// Begins to replace the running binary by the one at `path`. An error says why it cannot begin.
    pub(in crate::supervisor) fn begin_upgrade(&mut self, path: &Path) -> Result<(), String> {
        let busy = if self.is_ending() {
            Some(ENDING)
        } else if self.upgrade_check.is_some() {
            Some("an upgrade has begun already")
        } else if self.is_replacing() {
            Some("processes are being replaced already; try again in a moment")
        } else {
            None
        };
        if let Some(reason) = busy {
            tracing::error!("not upgraded: {reason}");
            return Err(reason.to_owned());
        }
        match UpgradeCheck::ask(path, &self.current.spec) {
            Ok(check) => {
                self.upgrade_check = Some(check);
                self.upgrade_error = None;
                tracing::info!(binary = %path.display(), "upgrading");
                Ok(())
            }
            Err(error) => {
                let refused = format!("{}: {error}", path.display());
                self.refuse_upgrade(refused.clone());
                Err(refused)
            }
        }
    }

    /// Replaces the running binary by the one that lies where it was started from.
    pub(in crate::supervisor) fn upgrade_in_place(&mut self) {
        match &self.binary {
            // The result is logged, and shown by `status`.
            Ok(path) => drop(self.begin_upgrade(&path.clone())),
            Err(error) => {
                let reason = format!("it is unknown where the program lies: {error}");
                self.refuse_upgrade(reason);
            }
        }
    }

    fn refuse_upgrade(&mut self, reason: String) {
        tracing::error!("not upgraded: {reason}");
        self.upgrade_error = Some(reason);
    }

    /// The process `pid` ended: if it was the binary that was asked, its answer is complete.
    pub(in crate::supervisor) fn on_check_exit(&mut self, pid: Pid, status: ExitStatus) {
        let Some(check) = self.upgrade_check.take_if(|check| check.pid() == pid) else {
            return;
        };
        if self.is_ending() {
            return tracing::info!("not upgraded: {ENDING}");
        }
        let refused = match check.refusal(status) {
            Some(reason) => reason,
            // Returns only when it failed.
            None => self.exec_binary(check.binary()).to_string(),
        };
        self.refuse_upgrade(format!("{}: {refused}", check.binary().display()));
        self.reload_if_asked_meanwhile();
    }

    fn exec_binary(&mut self, binary: &Path) -> io::Error {
        self.manager.send_reloading();
        match self.try_exec(binary) {
            Ok(never) => match never {},
            Err(error) => {
                self.manager.send("READY=1");
                error
            }
        }
    }

    fn try_exec(&self, binary: &Path) -> io::Result<std::convert::Infallible> {
        let own = upgrade_state::SupervisorDescriptors {
            lock: self.lock.as_fd(),
            notify: self.notify.as_fd(),
            control: self.control.as_fd(),
        };
        let stdin = upgrade_state::write(&own, self.started, &self.current, &self.leaving)?;
        let path = c_string(binary.into())?;
        let arguments = std::env::args_os().map(c_string).collect::<io::Result<Vec<_>>>()?;
        let variables = variables().collect::<io::Result<Vec<_>>>()?;
        let before = io::stdin().as_fd().try_clone_to_owned()?;
        dup2_stdin(&stdin)?;
        // The threads that write the log end with this binary.
        logging::flush();
        let failed = execve(&path, &arguments, &variables);
        dup2_stdin(&before)?;
        Ok(failed?)
    }
}

/// This process's variables, without those about descriptors that were handed down, and with the one that tells of the
/// state.
fn variables() -> impl Iterator<Item = io::Result<CString>> {
    let own = std::env::vars_os().filter(|(name, _)| {
        let stale = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", TAKE_OVER_VARIABLE];
        !stale.iter().any(|stale| name == stale)
    });
    own.chain([(TAKE_OVER_VARIABLE.into(), "1".into())])
        .map(|(mut variable, value)| {
            variable.push("=");
            variable.push(value);
            c_string(variable)
        })
}

fn c_string(text: OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(io::Error::other)
}

/// Where the running binary was started from: what is there by then takes its place on SIGUSR2.
pub(crate) fn own_path() -> io::Result<PathBuf> {
    let running = std::env::current_exe()?;
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    // Through a symbolic link that may be set to another version; a name alone was found on PATH.
    if called.components().count() > 1 {
        return std::path::absolute(called);
    }
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|directory| directory.join(&called))
            .find(|candidate| candidate.canonicalize().is_ok_and(|found| found == running))
    });
    Ok(found.unwrap_or(running))
}
