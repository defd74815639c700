//! A started `lockgate` in a test's machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lockgate_testkit::{eventually, process, say};

use super::daemon::{self, Daemon};
use super::machine::{HOST, Machine, Run};

/// Fixed, because the machine's network is its own.
pub(crate) const PORT: u16 = 5443;

/// Supervisor, proxy and registry as `lockgate start` makes them in an empty directory; they end with the machine.
pub(crate) struct Lockgate {
    machine: Arc<Machine>,
    binary: PathBuf,
    home: PathBuf,
    supervisor: Daemon,
    account: String,
    password: String,
}

impl Lockgate {
    /// Sets up and starts one, and waits until both processes are ready.
    pub(crate) fn start(machine: &Arc<Machine>) -> Self {
        let start = command(machine, &binary(), &machine.path("lockgate"), &["start"]);
        Self::launch(machine, listening(start))
    }

    /// Sets one up, lets `edit` change its `config.yml` as a person does, and starts it.
    pub(crate) fn start_with(machine: &Arc<Machine>, edit: impl FnOnce(&str) -> String) -> Self {
        Self::start_with_variables(machine, &[], edit)
    }

    /// The same, started with these variables in its environment.
    pub(crate) fn start_with_variables(
        machine: &Arc<Machine>,
        variables: &[(&str, &str)],
        edit: impl FnOnce(&str) -> String,
    ) -> Self {
        let home = machine.path("lockgate");
        listening(command(machine, &binary(), &home, &["setup"])).ok();
        let file = home.join("config.yml");
        let text = fs::read_to_string(&file).expect("config.yml");
        let edited = edit(&text);
        assert_ne!(edited, text, "nothing was changed");
        fs::write(file, edited).expect("config.yml");
        let mut start = command(machine, &binary(), &home, &["start"]);
        start.envs(variables.iter().copied());
        Self::launch(machine, start)
    }

    /// Starts one with these variables and nothing else; at the first time the home is empty.
    pub(crate) fn start_by_variables(machine: &Arc<Machine>, variables: &[(&str, &str)]) -> Self {
        let mut start = command(machine, &binary(), &machine.path("lockgate"), &["start"]);
        start.envs(variables.iter().copied());
        Self::launch(machine, start)
    }

    fn launch(machine: &Arc<Machine>, mut start: Command) -> Self {
        let binary = binary();
        let home = machine.path("lockgate");
        let supervisor = daemon::launch(&mut start, &machine.path("lockgate.output"), || {
            daemon::succeeds(&mut command(machine, &binary, &home, &["status"]))
        });
        let accounts = fs::read_to_string(home.join("auth/htpasswd")).expect("auth/htpasswd");
        let account = accounts
            .lines()
            .find_map(|line| line.split_once(':'))
            .expect("an account")
            .0
            .to_owned();
        let password = fs::read_to_string(home.join("password"))
            .expect("password")
            .trim()
            .to_owned();
        Self {
            machine: machine.clone(),
            binary,
            home,
            supervisor,
            account,
            password,
        }
    }

    /// `registry.example.test:5443`
    pub(crate) fn address(&self) -> String {
        format!("{HOST}:{PORT}")
    }

    /// `localhost:5443`
    pub(crate) fn local_address(&self) -> String {
        format!("localhost:{PORT}")
    }

    /// Everything it keeps.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The account of the set-up.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// Its password.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// `account:password`, as many clients take them.
    pub(crate) fn credentials(&self) -> String {
        format!("{}:{}", self.account, self.password)
    }

    /// The certificate that clients trust.
    pub(crate) fn authority(&self) -> PathBuf {
        self.home.join("tls/ca.crt")
    }

    /// The process id of `proxy` or `registry` in the machine, once it is ready.
    pub(crate) fn pid_of(&self, process: &str) -> u32 {
        eventually(&format!("a ready {process}"), || self.ready_pid(process))
    }

    /// From the line of `lockgate status` that begins with the process's name.
    fn ready_pid(&self, process: &str) -> Option<u32> {
        let output = self.lockgate(&["status"]).output().expect("lockgate status");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find(|line| line.split_whitespace().next() == Some(process))?;
        let mut words = line.split_whitespace().skip(1);
        (words.next() == Some("ready")).then(|| words.find_map(|word| word.parse().ok()))?
    }

    /// `kill -9`; returns at once.
    pub(crate) fn kill(&self, process: &str) {
        let pid = self.pid_of(process);
        self.machine.command("kill").args(["-9", &pid.to_string()]).ok();
    }

    /// The most memory that the process `name` has had, in MiB (VmHWM).
    pub(crate) fn peak_memory_mib(&self, name: &str) -> u64 {
        let status = self
            .machine
            .command("cat")
            .arg(format!("/proc/{}/status", self.pid_of(name)))
            .ok();
        let kib = process::memory_kib_in(&status, "VmHWM");
        say(&format!("peak memory of the {name}: {} MiB", kib.div_ceil(1024)));
        kib.div_ceil(1024)
    }

    /// Everything that was logged: what the terminal showed, and the files below `log/`.
    pub(crate) fn logs(&self) -> String {
        let mut text = fs::read_to_string(self.machine.path("lockgate.output")).expect("output");
        for entry in fs::read_dir(self.home.join("log")).into_iter().flatten().flatten() {
            text.push_str(&fs::read_to_string(entry.path()).unwrap_or_default());
        }
        text
    }

    /// `lockgate stop`; panics unless the supervisor drains and exits 0.
    pub(crate) fn stop(mut self) {
        self.lockgate(&["stop"]).ok();
        let status = self.supervisor.wait();
        assert!(status.success(), "{status}: {}", self.logs());
    }

    /// `lockgate ARGUMENTS` with this one's home.
    pub(crate) fn lockgate(&self, arguments: &[&str]) -> Command {
        command(&self.machine, &self.binary, &self.home, arguments)
    }
}

/// The build under test. `.ci/run` names the release build: gigabytes through TLS are slow in a debug build.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("LOCKGATE_BIN").map_or_else(|| env!("CARGO_BIN_EXE_lockgate").into(), PathBuf::from)
}

/// Under the machine's name, on every address of it.
fn listening(mut command: Command) -> Command {
    command.args(["--listen", &format!("0.0.0.0:{PORT}"), "--hostname", HOST]);
    command
}

fn command(machine: &Machine, binary: &Path, home: &Path, arguments: &[&str]) -> Command {
    let mut command = machine.daemon(binary);
    command
        .env("LOCKGATE_HOME", home)
        .env_remove("LOCKGATE_BIN")
        .args(arguments);
    command
}
