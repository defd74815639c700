//! Another binary takes the supervisor's place: same pid, same sockets, same children at first.
//!
//! ```text
//! ask the new binary whether it understands will and configuration (a process of its own, nothing is risked)
//!   ─▶ write the will ─▶ execve ─▶ the new supervisor adopts the children and hands over to its own
//! ```

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stdin, execve};

use super::Supervisor;
use super::end::End;
use super::will;
use crate::descriptors::in_memory;

/// A binary that has not answered by then is none of ours.
const PROBE_LIMIT: Duration = Duration::from_secs(20);
/// As much of what it says is passed on.
const LONGEST_ANSWER: u64 = 4096;

/// A new binary that is being asked.
#[derive(Debug)]
pub(super) struct Probe {
    pid: Pid,
    binary: PathBuf,
    output: File,
    deadline: Instant,
}

impl Supervisor {
    /// Begins to replace the running binary by the one at `path`. An error says why it cannot begin.
    pub(super) fn begin_upgrade(&mut self, path: &Path) -> Result<(), String> {
        let busy = if self.is_ending {
            Some("the registry is being stopped")
        } else if self.probe.is_some() {
            Some("an upgrade has begun already")
        } else if self.next.is_some() {
            Some("processes are being replaced already; try again in a moment")
        } else {
            None
        };
        let begun = match busy {
            Some(reason) => Err(reason.to_owned()),
            None => self
                .ask_binary(path)
                .map_err(|error| format!("{}: {error}", path.display())),
        };
        match &begun {
            Ok(()) => {
                self.upgrade_error = None;
                tracing::info!(binary = %path.display(), "upgrading");
            }
            Err(reason) => tracing::error!("not upgraded: {reason}"),
        }
        begun
    }

    fn ask_binary(&mut self, path: &Path) -> io::Result<()> {
        let output = in_memory("")?;
        let setting = &self.current.setting;
        let mut command = Command::new(path);
        command
            .args(["upgrade", "--accepts", &will::PROTOCOL.to_string()])
            .args(&setting.arguments)
            .envs(setting.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output.try_clone()?);
        let child = command.spawn()?;
        self.probe = Some(Probe {
            pid: Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?),
            binary: path.to_owned(),
            output,
            deadline: Instant::now() + PROBE_LIMIT,
        });
        Ok(())
    }

    /// When the binary that is being asked has to have answered.
    pub(super) fn probe_deadline(&self) -> Option<Instant> {
        self.probe.as_ref().map(|probe| probe.deadline)
    }

    /// Ends a binary that does not answer; its end will be seen.
    pub(super) fn end_late_probe(&mut self, now: Instant) {
        if let Some(probe) = &mut self.probe
            && now >= probe.deadline
        {
            // It is gone already, or goes now.
            let _ = kill(probe.pid, Signal::SIGKILL);
            probe.deadline = now + PROBE_LIMIT;
        }
    }

    /// The process `pid` ended: if it was the binary that was asked, its answer is there.
    pub(super) fn hear_probe(&mut self, pid: Pid, end: End) {
        let Some(probe) = self.probe.take_if(|probe| probe.pid == pid) else {
            return;
        };
        let refused = if end.code() == Some(0) {
            // Comes back only when it failed.
            format!("{}: {}", probe.binary.display(), self.become_binary(&probe.binary))
        } else {
            let binary = probe.binary.display().to_string();
            format!("{binary} refused: {} ({end})", probe.said().unwrap_or_default().trim())
        };
        tracing::error!("not upgraded: {refused}");
        self.upgrade_error = Some(refused);
    }

    fn become_binary(&mut self, binary: &Path) -> io::Error {
        self.plan.manager.send_reloading();
        match self.try_become(binary) {
            Ok(never) => match never {},
            Err(error) => {
                self.plan.manager.send("READY=1");
                error
            }
        }
    }

    fn try_become(&self, binary: &Path) -> io::Result<std::convert::Infallible> {
        let own = will::Own {
            lock: self.plan.lock.as_fd(),
            notify: self.notify.as_fd(),
            control: self.control.as_fd(),
        };
        let stdin = will::write(&own, self.started, &self.current, &self.leaving)?;
        let path = text(binary.into())?;
        let arguments = std::env::args_os().map(text).collect::<io::Result<Vec<_>>>()?;
        let variables = variables().collect::<io::Result<Vec<_>>>()?;
        let before = io::stdin().as_fd().try_clone_to_owned()?;
        dup2_stdin(&stdin)?;
        let failed = execve(&path, &arguments, &variables);
        dup2_stdin(&before)?;
        Ok(failed?)
    }
}

impl Probe {
    fn said(mut self) -> io::Result<String> {
        let mut said = String::new();
        self.output.rewind()?;
        self.output.take(LONGEST_ANSWER).read_to_string(&mut said)?;
        Ok(said)
    }
}

/// This process's own, without the descriptors that it once took over, and with the word that there is a will.
fn variables() -> impl Iterator<Item = io::Result<CString>> {
    let own = std::env::vars_os().filter(|(name, _)| {
        let stale = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", will::VARIABLE];
        !stale.iter().any(|stale| name == stale)
    });
    own.chain([(will::VARIABLE.into(), "1".into())])
        .map(|(mut variable, value)| {
            variable.push("=");
            variable.push(value);
            text(variable)
        })
}

fn text(words: OsString) -> io::Result<CString> {
    CString::new(words.into_vec()).map_err(io::Error::other)
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
