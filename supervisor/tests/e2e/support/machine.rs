//! A machine of its own for one test, made of namespaces.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lockgate_testkit::{eventually, missing, own_process, require, require_root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The name under which the machine's registry is reached.
pub(crate) const HOST: &str = "registry.example.test";

/// Its address. Not a loopback one: docker verifies no certificate of a registry in 127.0.0.0/8, and that would prove
/// nothing about trust. The packets stay in the machine.
pub(crate) const ADDRESS: &str = "198.51.100.10";

/// No single command of a test takes longer.
const COMMAND_DEADLINE: Duration = Duration::from_secs(300);

/// Own network, mounts and processes; ends with everything in it when dropped.
///
/// The paths below [`Machine::path`] are the same inside and outside.
pub(crate) struct Machine {
    directory: TempDir,
    unshare: Child,
    /// The machine's first process, by its number outside.
    init: Pid,
}

impl Machine {
    /// Starts one; `None`, said loudly, where that is not possible.
    pub(crate) fn start() -> Option<Arc<Self>> {
        if !require_root() || !require(&["unshare", "nsenter", "setpriv", "mount", "ip"]) {
            return None;
        }
        let directory = tempfile::Builder::new()
            .prefix("lockgate-e2e-")
            .tempdir()
            .expect("a temporary directory");
        // Lockgate's children run as other users and have to reach their files.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        prepare(directory.path());
        let unshare = boot(directory.path());
        let mut machine = Self {
            directory,
            unshare,
            init: Pid::from_raw(0),
        };
        machine.await_boot().then(|| Arc::new(machine))
    }

    /// A path in the machine's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `/etc/docker` as the machine's processes see it.
    pub(crate) fn etc_docker(&self) -> PathBuf {
        self.path("etc-docker")
    }

    /// `program` in the machine, started in its directory, with nothing on standard input.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.enter();
        command
            .args(["timeout", "--kill-after=5", &COMMAND_DEADLINE.as_secs().to_string()])
            .arg(program.as_ref());
        command
    }

    /// Like [`Machine::command`], for what runs as long as the test does.
    pub(crate) fn daemon(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.enter();
        command.arg(program.as_ref());
        command
    }

    /// The ignored test `name` in the machine: for a client that is a library.
    pub(crate) fn test(&self, name: &str) -> Command {
        let [program, arguments @ ..] = own_process::command_line(name);
        let mut command = self.daemon(program);
        command.args(arguments);
        command
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--net", "--pid"]);
        // nsenter's own `--wd` would stay on the mount outside, and to some programs that is no directory at all.
        command
            .args(["--", "sh", "-c", r#"cd "$0" && exec "$@""#])
            .arg(self.directory.path());
        command.env("HOME", self.path("home")).stdin(Stdio::null());
        command
    }

    /// False, said loudly, where namespaces cannot be made: in a container without that privilege.
    fn await_boot(&mut self) -> bool {
        let booted = self.path("booted");
        let mut ended = None;
        eventually("the machine", || {
            ended = self.unshare.try_wait().expect("wait");
            ended.is_some() || booted.exists()
        });
        if ended.is_some() {
            let log = fs::read_to_string(self.path("init.log")).unwrap_or_default();
            return missing(
                &format!("the right to make namespaces ({})", log.trim()),
                "run the tests outside of a container",
            );
        }
        let unshare = self.unshare.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).expect("children");
        self.init = Pid::from_raw(children.trim().parse().expect("one child: the machine's first process"));
        true
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The kernel ends a process namespace with its first process, and lets go of the mounts with the last.
        if self.init.as_raw() > 0 {
            let _ = kill(self.init, Signal::SIGKILL);
        } else {
            let _ = self.unshare.kill();
        }
        let _ = self.unshare.wait();
    }
}

/// Hosts file, home, `/etc/docker` and the directories of other engines' trust.
fn prepare(directory: &Path) {
    let hosts = format!("127.0.0.1 localhost\n::1 localhost\n{ADDRESS} {HOST}\n");
    fs::write(directory.join("hosts"), hosts).expect("hosts");
    for name in ["etc-docker", "containers-certs.d", "containerd-certs.d", "home"] {
        fs::create_dir(directory.join(name)).expect("directory");
    }
}

fn boot(directory: &Path) -> Child {
    let script = format!(
        "set -e
         ip link set lo up
         ip address add {ADDRESS}/32 dev lo
         mkdir -p /etc/docker /etc/containers/certs.d /etc/containerd/certs.d
         mount -t tmpfs tmpfs /run
         mount --bind hosts /etc/hosts
         mount --bind etc-docker /etc/docker
         mount --bind containers-certs.d /etc/containers/certs.d
         mount --bind containerd-certs.d /etc/containerd/certs.d
         touch booted
         while :; do sleep 86400 & wait $!; done"
    );
    let log = fs::File::create(directory.join("init.log")).expect("log");
    // The death of the test's thread is the machine's: nothing is left behind, however a test ends.
    Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .args(["--mount-proc", "sh", "-c", &script])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .spawn()
        .expect("unshare starts")
}

/// Running a command to its end.
pub(crate) trait Run {
    /// Standard output, trimmed; panics with both outputs when the command fails.
    fn ok(&mut self) -> String;
    /// Standard output and error; panics when the command succeeds.
    fn fails(&mut self) -> String;
    /// Like [`Run::ok`], with `input` on standard input.
    fn ok_with_input(&mut self, input: &[u8]) -> String;
}

impl Run for Command {
    fn ok(&mut self) -> String {
        let output = self.output().expect("starts");
        succeeded(self, &output)
    }

    fn fails(&mut self) -> String {
        let output = self.output().expect("starts");
        assert!(!output.status.success(), "{self:?} succeeded: {}", both(&output));
        both(&output)
    }

    fn ok_with_input(&mut self, input: &[u8]) -> String {
        let mut child = self
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        // A broken pipe here shows as the command's own failure below.
        let _ = child.stdin.take().expect("piped").write_all(input);
        let output = child.wait_with_output().expect("wait");
        succeeded(self, &output)
    }
}

fn succeeded(command: &Command, output: &Output) -> String {
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        both(output)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn both(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
