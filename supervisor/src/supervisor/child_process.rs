//! One child process: the same binary, with its listening sockets, its configuration and `NOTIFY_SOCKET`.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use command_fds::{CommandFdExt, FdMapping};
use lockgate_registry::InstanceId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::restart_policy::{RestartTracker, WATCHDOG};
use crate::configuration::listeners::Listeners;
use crate::configuration::source::LISTEN_VARIABLE;
use crate::os::environment::TAKE_OVER_VARIABLE;
use crate::os::fd_passing::{pair, send_text};
use crate::os::listen::ListeningSocket;
use crate::os::listen_fds::DEBUG_NAME;
use crate::role::{INSTANCE_VARIABLE, Pair, Role};
use crate::sandbox::Rules;
use crate::sandbox::system_user::Users;

/// The first descriptor of LISTEN_FDS: `SD_LISTEN_FDS_START` of sd_listen_fds(3).
const FIRST_SOCKET: i32 = 3;

/// mallopt(3): from this size on, memory that is freed goes back to the system. glibc raises the bound by itself to
/// what was freed last, and would keep the 19 MiB of each password check, in each thread's arena: 200 MiB in all.
const MMAP_VARIABLE: &str = "MALLOC_MMAP_THRESHOLD_";
const MMAP_THRESHOLD: &str = "1048576";

/// What each start of a child needs beside its sockets.
#[derive(Debug, Clone)]
pub(crate) struct ChildSpec {
    /// Arguments after the subcommand.
    pub(crate) arguments: Vec<OsString>,
    /// Variables set on top of the supervisor's own.
    pub(crate) variables: Vec<(String, String)>,
    /// The text of the configuration that was accepted: a child that comes back runs with what the others run with,
    /// whatever the file holds by now.
    pub(crate) configuration: String,
    /// The users that the children run as, unless it is the supervisor's own.
    pub(crate) users: Option<Users>,
    /// What the children are confined to. Each finds it out by itself; this is for comparing at a reload.
    pub(crate) rules: Pair<Rules>,
}

impl ChildSpec {
    /// The address that overrides the configuration's.
    pub(crate) fn listen(&self) -> Option<&str> {
        let mut variables = self.variables.iter();
        variables.find_map(|(name, value)| (name == LISTEN_VARIABLE).then_some(value.as_str()))
    }
}

#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) role: Role,
    pub(crate) tracker: RestartTracker,
    /// `None` while it does not run.
    pub(crate) pid: Option<Pid>,
    pub(crate) since: Option<Instant>,
    /// Its last `STATUS`: the reason of its end, as a rule.
    pub(crate) status: Option<String>,
    /// Lines of its log that are lost by now, while no sink takes any.
    pub(crate) log_lines_lost: u64,
    /// Its listening sockets; `status` shows the address of the first.
    pub(crate) sockets: Vec<ListeningSocket>,
    /// Where it listens, as `status` shows it; kept when the sockets are closed for the drain.
    pub(crate) address: String,
    /// The other end of its stdin, through which it receives configurations.
    pub(crate) channel: Option<OwnedFd>,
    /// How many configurations it was given while it ran and has not answered yet.
    pub(crate) unanswered: u32,
}

/// Both children, due as their trackers say. The debug listener is the registry's, the others are the proxy's.
pub(crate) fn pair_of(listeners: Listeners, registry: ListeningSocket, trackers: Pair<RestartTracker>) -> Pair<Child> {
    let (debug, public): (Vec<_>, Vec<_>) = listeners
        .into_sockets()
        .into_iter()
        .partition(|socket| socket.name == DEBUG_NAME);
    let of_registry = std::iter::once(registry).chain(debug).collect();
    Pair {
        proxy: Child::new(Role::Proxy, public, trackers.proxy),
        registry: Child::new(Role::Registry, of_registry, trackers.registry),
    }
}

impl Child {
    /// A child that is started as `tracker` says.
    pub(crate) fn new(role: Role, sockets: Vec<ListeningSocket>, tracker: RestartTracker) -> Self {
        Self {
            role,
            tracker,
            pid: None,
            since: None,
            status: None,
            log_lines_lost: 0,
            address: sockets
                .first()
                .map(|socket| socket.address.to_string())
                .unwrap_or_default(),
            sockets,
            channel: None,
            unanswered: 0,
        }
    }

    pub(crate) fn start(&mut self, spec: &ChildSpec, notify: &Path, now: Instant) -> io::Result<()> {
        let (pid, channel) = self.spawn(spec, notify)?;
        self.pid = Some(pid);
        self.since = Some(now);
        self.status = None;
        self.log_lines_lost = 0;
        self.channel = Some(channel);
        self.tracker.started(now);
        Ok(())
    }

    fn spawn(&self, spec: &ChildSpec, notify: &Path) -> io::Result<(Pid, OwnedFd)> {
        let (channel, stdin) = pair()?;
        send_text(&channel, &spec.configuration)?;
        let names: Vec<_> = self.sockets.iter().map(|socket| socket.name.as_str()).collect();
        let mut command = command(self.role.name(), spec, notify)?;
        command
            .env(INSTANCE_VARIABLE, InstanceId::of_process(std::process::id()).as_str())
            .env(MMAP_VARIABLE, MMAP_THRESHOLD)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .env("LISTEN_FDS", names.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .stdin(Stdio::from(stdin));
        if let Some(account) = spec.users.as_ref().map(|users| users.of(self.role)) {
            // In this order inside: supplementary groups go, group, user.
            command.uid(account.user).gid(account.group);
        }
        let mappings = (FIRST_SOCKET..)
            .zip(&self.sockets)
            .map(|(child_fd, socket)| {
                Ok(FdMapping {
                    parent_fd: socket.descriptor.try_clone()?,
                    child_fd,
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        Ok((spawn(&mut command)?, channel))
    }

    /// Gives a running process another configuration.
    pub(crate) fn configure(&mut self, text: &str) {
        let Some(channel) = self.channel.as_ref().filter(|_| self.pid.is_some()) else {
            return;
        };
        // Counted also when it cannot be sent: the missing answer then ends the rollout.
        self.unanswered += 1;
        if let Err(error) = send_text(channel, text) {
            tracing::error!(child = self.role.name(), %error, "it does not take the new configuration");
        }
    }

    /// Sends a signal; a process that is gone already will be reaped.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid
            && let Err(error) = kill(pid, signal)
        {
            tracing::debug!(process = self.role.name(), %error, "cannot send {signal}");
        }
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.tracker.killed();
    }

    /// The process has ended and was reaped.
    pub(crate) fn forget_process(&mut self) {
        self.pid = None;
        self.since = None;
        self.channel = None;
        self.unanswered = 0;
    }
}

/// `lockgate NAME --supervised`, with what `spec` says.
pub(super) fn command(name: &str, spec: &ChildSpec, notify: &Path) -> io::Result<Command> {
    let mut command = Command::new(program()?);
    // Variables that are for the supervisor alone, and the first account's password.
    for name in [
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "LOCKGATE_USERNAME",
        "LOCKGATE_PASSWORD",
        TAKE_OVER_VARIABLE,
    ] {
        command.env_remove(name);
    }
    command
        .arg0("lockgate")
        .args([name, "--supervised", &std::process::id().to_string()])
        .args(&spec.arguments)
        .envs(spec.variables.iter().map(|(name, value)| (name, value)))
        .env("NOTIFY_SOCKET", notify)
        // A signal to the supervisor's group reaches the supervisor alone, which ends its children in order.
        .process_group(0);
    Ok(command)
}

/// Starts it. `std::process::Child` neither kills nor waits when dropped: the supervisor sees the end.
pub(super) fn spawn(command: &mut Command) -> io::Result<Pid> {
    let child = command.spawn()?;
    Ok(Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?))
}

/// The running binary, even when its file was replaced meanwhile.
pub(crate) fn program() -> io::Result<&'static Path> {
    let running = Path::new("/proc/self/exe");
    match running.exists() {
        true => Ok(running),
        false => Err(io::Error::other(
            "/proc is not there; mount it (`mount -t proc proc /proc`)",
        )),
    }
}
