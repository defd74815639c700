//! Asks another binary whether it can take over. It runs as a process of its own, so nothing is risked.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::upgrade_state;
use crate::os::exit_status::ExitStatus;
use crate::os::fd_passing::in_memory;
use crate::supervisor::child_process::{ChildSpec, spawn};

/// A binary that has not answered by then cannot take over.
const LIMIT: Duration = Duration::from_secs(20);
/// How much of its output is passed on.
const LONGEST_ANSWER: u64 = 4096;
/// What a Lockgate prints on stdout. Exit code 0 alone says nothing: many programs ignore their arguments.
const ACCEPTED: &str = "lockgate can take over";

/// A binary that is being asked.
#[derive(Debug)]
pub(crate) struct UpgradeCheck {
    /// Its process group has the same number.
    pid: Pid,
    binary: PathBuf,
    answer: File,
    complaint: File,
    deadline: Instant,
    is_late: bool,
}

impl UpgradeCheck {
    /// Asks whether it understands the upgrade state, the configuration of `spec`, and the arguments of this process, which
    /// it will be executed with.
    pub(crate) fn ask(binary: &Path, spec: &ChildSpec) -> io::Result<Self> {
        let (answer, complaint) = (in_memory("")?, in_memory("")?);
        let mut command = Command::new(binary);
        command
            .args(["upgrade", "--accepts", &upgrade_state::FORMAT_VERSION.to_string()])
            .args(&spec.arguments)
            .arg("--")
            .args(std::env::args_os().skip(1))
            .envs(spec.variables.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(answer.try_clone()?)
            .stderr(complaint.try_clone()?);
        Ok(Self {
            pid: spawn(&mut command)?,
            binary: binary.to_owned(),
            answer,
            complaint,
            deadline: Instant::now() + LIMIT,
            is_late: false,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Kills a binary that does not answer in time, with all that it started; its end is reaped as any other.
    pub(crate) fn end_if_late(&mut self, now: Instant) {
        if now >= self.deadline {
            self.end();
            self.is_late = true;
            self.deadline = now + LIMIT;
        }
    }

    /// Kills it: its answer is not needed any more.
    pub(crate) fn end(&self) {
        // It is gone already, or goes now.
        let _ = killpg(self.pid, Signal::SIGKILL);
    }

    /// Why the binary, which ended so, cannot take over.
    pub(crate) fn refusal(&self, status: ExitStatus) -> Option<String> {
        let [answer, complaint] = [&self.answer, &self.complaint].map(|output| said(output).unwrap_or_default());
        if self.is_late {
            let seconds = LIMIT.as_secs();
            return Some(format!("did not answer within {seconds} s"));
        }
        match status.code() {
            Some(0) if answer.trim_end() == ACCEPTED => None,
            Some(0) => Some("is no lockgate that can take over".to_owned()),
            _ => Some(format!("refused: {} ({status})", complaint.trim())),
        }
    }
}

fn said(mut output: &File) -> io::Result<String> {
    let mut said = Vec::new();
    output.rewind()?;
    output.take(LONGEST_ANSWER).read_to_end(&mut said)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// The answer of a binary that can take over.
pub(crate) fn print_accepted() {
    println!("{ACCEPTED}");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use lockgate_config::{Config, Home};
    use nix::sys::wait::waitpid;

    use super::*;
    use crate::sandbox::Rules;

    #[test]
    fn one_that_hangs_is_ended_and_said_to() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let script = "#!/bin/sh\nsleep 1000 &\nwait\n";
        std::fs::write(at("bin"), script).unwrap();
        std::fs::set_permissions(at("bin"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = Config::parse(&at("config.yml"), b"version: 0.1\nstorage: filesystem", &[]).unwrap();
        let spec = ChildSpec {
            arguments: Vec::new(),
            variables: Vec::new(),
            configuration: String::new(),
            users: None,
            rules: Rules::of_both(&config, &Home::new(at("home"))),
        };
        let mut upgrade_check = UpgradeCheck::ask(&at("bin"), &spec).unwrap();
        upgrade_check.end_if_late(Instant::now());
        assert!(!upgrade_check.is_late, "it has time");
        upgrade_check.end_if_late(Instant::now() + LIMIT);
        let end = waitpid(upgrade_check.pid(), None).unwrap();
        assert!(matches!(end, nix::sys::wait::WaitStatus::Signaled(..)), "{end:?}");
        assert_eq!(
            upgrade_check.refusal(ExitStatus::Signal(Signal::SIGKILL)).unwrap(),
            "did not answer within 20 s"
        );
    }
}
