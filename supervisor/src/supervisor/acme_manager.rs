//! Certificates by ACME: when one is due, a child orders it; when it comes, the proxy gets it.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use lockgate_certs::validity;
use lockgate_config::{Acme, Address, Config, Home, Tls};
use lockgate_files::UidGid;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::child_process::{self, ChildSpec};
use super::generation::Generation;
use crate::acme::{AcmeStore, ORDER_TIMEOUT, ServedLeaf, ensure_leaf, next_order};
use crate::os::exit_status::ExitStatus;
use crate::os::fd_passing::in_memory;
use crate::os::notify_socket::NotifyMessage;

/// How often to look whether an order is due, at least: clocks are set, machines sleep, people copy files.
const INTERVAL: Duration = Duration::from_secs(60 * 60);
/// How long a child may run beyond its own deadline before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long a child may take to end when the supervisor ends.
pub(super) const LAST_GRACE: Duration = Duration::from_secs(1);

/// The certificate that `http.tls.letsencrypt` asks for.
#[derive(Debug)]
pub(crate) struct AcmeManager {
    home: Home,
    /// The user who reads the key, if it is not the supervisor's.
    reader: Option<UidGid>,
    acme: Option<Acme>,
    /// When to look whether an order is due.
    next: Instant,
    running: Option<Running>,
    /// Why the proxy has not got the certificate that is there.
    leaf_error: Option<String>,
}

/// The child that orders a certificate.
#[derive(Debug)]
struct Running {
    pid: Pid,
    deadline: Instant,
    /// Its last `STATUS`: the reason, when it fails.
    status: Option<String>,
    /// Whether it was asked to end, so that its end is no failure.
    stopped: bool,
}

impl AcmeManager {
    /// For what `config` asks for, if it does. The proxy has a certificate from then on.
    pub(crate) fn new(config: &Config, home: &Home, reader: Option<UidGid>) -> Self {
        let mut acme = Self {
            home: home.clone(),
            reader,
            acme: wanted(config),
            next: Instant::now(),
            running: None,
            leaf_error: None,
        };
        acme.install();
        acme
    }

    pub(crate) fn reload(&mut self, config: &Config) {
        self.acme = wanted(config);
        self.next = Instant::now();
        self.install();
    }

    /// Forgets what failed: whoever asks for a reload has changed something, here or at the name server.
    pub(crate) fn try_again(&mut self) {
        if let Some(acme) = self.acme.as_ref().filter(|_| self.running.is_none()) {
            if let Err(error) = AcmeStore::of(acme).forget_attempt() {
                tracing::error!("the last attempt to order a certificate cannot be forgotten: {error}");
            }
            self.next = Instant::now();
        }
    }

    /// When [`Self::run_due`] has something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        match &self.running {
            Some(running) => Some(running.deadline),
            None => self.acme.as_ref().map(|_| self.next),
        }
    }

    /// Starts an order, or ends one that hangs. `serving` answers the challenges.
    pub(crate) fn run_due(&mut self, serving: &Generation, notify: &Path, now: Instant) {
        if let Some(running) = &mut self.running {
            if now >= running.deadline {
                running.deadline = now + GRACE;
                tracing::warn!(pid = running.pid.as_raw(), "the order of a certificate hangs: killed");
                signal(running.pid, Signal::SIGKILL);
            }
            return;
        }
        if self.acme.is_none() || now < self.next {
            return;
        }
        // A child of the binary before may have ordered one that was not put there yet.
        self.install();
        if self.is_order_due(now) {
            self.order(serving, notify, now);
        }
    }

    /// Looks at what is there, and when to look again.
    fn is_order_due(&mut self, now: Instant) -> bool {
        let Some(acme) = &self.acme else { return false };
        let store = AcmeStore::of(acme);
        let clock = SystemTime::now();
        let due = next_order(
            &validity(&store.certificate(), &acme.hosts),
            store.attempt().as_ref(),
            &acme.hosts,
            clock,
        );
        let wait = due.at.duration_since(clock).unwrap_or_default();
        self.next = now + wait.min(INTERVAL);
        if wait.is_zero() {
            tracing::info!(
                directory = acme.directory(),
                hosts = acme.hosts.join(","),
                "ordering a certificate: {}",
                due.reason
            );
        }
        wait.is_zero()
    }

    fn order(&mut self, serving: &Generation, notify: &Path, now: Instant) {
        let started = match port(serving) {
            Some(port) => start(&serving.spec, notify, port, self.reader),
            None => Err(io::Error::other(
                "the proxy has no TLS listener that could answer challenges",
            )),
        };
        match started {
            Ok(pid) => {
                self.running = Some(Running {
                    pid,
                    deadline: now + ORDER_TIMEOUT + GRACE,
                    status: None,
                    stopped: false,
                });
            }
            Err(error) => {
                self.next = now + INTERVAL;
                tracing::error!("an order cannot be started: {error}");
            }
        }
    }

    /// Whether the messages are from the child that orders.
    pub(crate) fn on_messages(&mut self, pid: Pid, messages: &[NotifyMessage]) -> bool {
        let Some(running) = self.running.as_mut().filter(|running| running.pid == pid) else {
            return false;
        };
        for message in messages {
            if let NotifyMessage::Status(status) = message {
                running.status = Some(status.clone());
            }
        }
        true
    }

    /// Whether the process that ended was the child that orders.
    pub(crate) fn on_exit(&mut self, pid: Pid, status: ExitStatus) -> bool {
        let Some(running) = self.running.take_if(|running| running.pid == pid) else {
            return false;
        };
        self.next = Instant::now();
        let Some(acme) = &self.acme else { return true };
        if status == ExitStatus::Code(0) {
            self.install();
        } else if running.stopped {
            tracing::info!("the order of a certificate was stopped; the next start begins another");
        } else {
            let reason = running.status.unwrap_or_else(|| status.to_string());
            let again = AcmeStore::of(acme).attempt().map(|attempt| attempt.next());
            let wait = again
                .and_then(|again| again.duration_since(SystemTime::now()).ok())
                .unwrap_or_default();
            tracing::error!(
                again_in_s = wait.as_secs(),
                "no certificate could be had, the present one goes on: {reason}"
            );
        }
        true
    }

    /// Asks an order under way to end, so that it does not count as a failed one.
    pub(crate) fn stop(&mut self, now: Instant) {
        if let Some(running) = &mut self.running {
            running.deadline = now + LAST_GRACE;
            running.stopped = true;
            signal(running.pid, Signal::SIGTERM);
        }
    }

    /// Whether an order is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Why there is no certificate, or no new one; `None` when all is well.
    pub(crate) fn problem(&self) -> Option<String> {
        let acme = self.acme.as_ref()?;
        if let Some(error) = &self.leaf_error {
            return Some(error.clone());
        }
        let store = AcmeStore::of(acme);
        let is_valid_for =
            |hosts| validity(&store.certificate(), hosts).is_ok_and(|valid| valid.not_after > SystemTime::now());
        let is_there = is_valid_for(&acme.hosts);
        let state = match is_there {
            true => "the present certificate goes on",
            false if is_valid_for(&[]) => "the present certificate goes on, without all names",
            false => "until then clients are shown one that they do not trust",
        };
        match store.attempt().filter(|attempt| attempt.hosts == acme.hosts) {
            _ if self.running.is_some() => (!is_there).then(|| format!("a certificate is being ordered; {state}")),
            Some(attempt) => {
                let wait = attempt.next().duration_since(SystemTime::now()).unwrap_or_default();
                let (times, minutes) = (attempt.failures, wait.as_secs().div_ceil(60));
                Some(format!(
                    "{} (attempt {times}, the next one in {minutes} min; {state})",
                    attempt.problem
                ))
            }
            None => (!is_there).then(|| format!("no certificate yet; {state}")),
        }
    }

    fn install(&mut self) {
        let Some(acme) = &self.acme else { return };
        self.leaf_error = match ensure_leaf(acme, &self.home, self.reader) {
            Ok(leaf) => {
                if leaf == ServedLeaf::New {
                    tracing::info!(
                        hosts = acme.hosts.join(","),
                        "a new certificate was ordered and is shown from now on"
                    );
                }
                None
            }
            Err(error) => {
                tracing::error!("the new certificate cannot be shown: {error}");
                Some(error.to_string())
            }
        };
    }
}

/// The port of the TLS listener, which has to answer the challenges.
fn port(serving: &Generation) -> Option<u16> {
    match serving.public_address()? {
        Address::Tcp { port, .. } => Some(*port),
        Address::Unix(_) => None,
    }
}

fn wanted(config: &Config) -> Option<Acme> {
    config.http.tls.as_ref().and_then(Tls::acme).cloned()
}

fn start(spec: &ChildSpec, notify: &Path, port: u16, reader: Option<UidGid>) -> io::Result<Pid> {
    let mut command = child_process::command("acme", spec, notify)?;
    command
        .args(["--port", &port.to_string()])
        .args(reader.map(|reader| format!("--reader={}:{}", reader.uid, reader.gid)))
        .stdin(Stdio::from(in_memory(&spec.configuration)?));
    child_process::spawn(&mut command)
}

fn signal(pid: Pid, signal: Signal) {
    if let Err(error) = kill(pid, signal) {
        tracing::debug!(%error, "cannot send {signal} to an order");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::listen::{ListeningSocket, listen_tcp, with_port};
    use crate::os::listen_fds::PUBLIC_NAME;
    use crate::role::{Pair, Role};
    use crate::sandbox::Rules;
    use crate::supervisor::child_process::Child;
    use crate::supervisor::restart_policy::RestartTracker;

    #[test]
    fn challenges_are_answered_on_the_port_that_the_proxy_has_and_on_none_without_it() {
        let config = Config::parse(Path::new("/c/config.yml"), b"version: 0.1\nstorage: filesystem", &[]).unwrap();
        let spec = ChildSpec {
            arguments: Vec::new(),
            variables: Vec::new(),
            configuration: String::new(),
            users: None,
            rules: Rules::of_both(&config, &Home::new("/home")),
        };
        let socket = listen_tcp("::", 0).unwrap();
        let bound = socket.local_addr().unwrap().port();
        let public = ListeningSocket {
            name: PUBLIC_NAME.to_owned(),
            asked: "[::]:0".parse().unwrap(),
            address: with_port("::", 0, &socket),
            descriptor: socket.into(),
        };
        let child = |role, sockets| Child::new(role, sockets, RestartTracker::new(Instant::now()));
        let children = Pair {
            proxy: child(Role::Proxy, vec![public]),
            registry: child(Role::Registry, Vec::new()),
        };
        let mut generation = Generation::new(1, spec, children);
        assert_eq!(port(&generation), Some(bound));
        generation.children.proxy.sockets.clear();
        assert_eq!(port(&generation), None, "443 would be a guess");
    }
}
