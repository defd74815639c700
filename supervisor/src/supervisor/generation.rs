//! A proxy and its registry: started with one configuration, replaced together, drained one after the other.
//!
//! ```text
//! next ── both ready ──▶ current ── replaced ──▶ leaving ── both ended ──▶ gone
//!   └── does not become ready: killed, the current one goes on
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use lockgate_config::Address;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::child_process::{Child, ChildSpec};
use super::error::SuperviseError;
use super::restart_policy::{ChildState, DueAction, RestartDecision};
use crate::os::exit_status::ExitStatus;
use crate::os::listen::ListeningSocket;
use crate::os::notify_socket::NotifyMessage;
use crate::role::Pair;

/// How long the registry may take when the proxy used up the time: to keep hash states, not to finish bodies.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// How far the drain is: the proxy finishes its requests, then the registry what it stores; both within one deadline.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    #[default]
    No,
    /// The proxy finishes its requests, having been sent `signal`; the registry serves.
    Proxy { deadline: Instant, signal: Signal },
    /// The proxy has ended; the registry finishes what it stores.
    Registry { deadline: Instant, signal: Signal },
}

/// A proxy and the registry that it talks to, started with one configuration.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) spec: ChildSpec,
    pub(crate) children: Pair<Child>,
    pub(crate) drain: Drain,
}

impl Generation {
    /// Children that are to be started with `spec`.
    pub(crate) fn new(number: u32, spec: ChildSpec, children: Pair<Child>) -> Self {
        Self {
            number,
            spec,
            children,
            drain: Drain::No,
        }
    }

    /// The child whose process this is.
    pub(crate) fn child_mut(&mut self, pid: Pid) -> Option<&mut Child> {
        self.children.iter_mut().find(|child| child.pid == Some(pid))
    }

    /// Every listening socket that is still open.
    pub(crate) fn sockets(&self) -> Vec<&ListeningSocket> {
        self.children.iter().flat_map(|child| &child.sockets).collect()
    }

    /// Where clients come in; nowhere any more while the proxy drains.
    pub(crate) fn public_address(&self) -> Option<&Address> {
        self.children.proxy.sockets.first().map(|socket| &socket.address)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.children.iter().all(|child| child.tracker.is_ready())
    }

    /// Whether both have ended for good.
    pub(crate) fn is_over(&self) -> bool {
        self.children
            .iter()
            .all(|child| child.tracker.state() == ChildState::Stopped && child.pid.is_none())
    }

    /// When something will be due next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.children.iter().filter_map(|child| child.tracker.next()).min()
    }

    /// Starts and kills children whose time has come, and goes on with a drain. Returns the failure of a child that is
    /// given up.
    pub(crate) fn run_due(&mut self, notify: &Path, now: Instant) -> Option<SuperviseError> {
        let mut failure = None;
        for child in self.children.iter_mut() {
            match child.tracker.due(now) {
                Some(DueAction::Start) => {
                    if let Err(error) = child.start(&self.spec, notify, now) {
                        child.tracker.started(now);
                        child.status = Some(format!("cannot start it: {error}"));
                        let decision = child.tracker.exited(now, None);
                        failure = failure.or(describe_exit(child, decision, ExitStatus::NeverRan));
                    }
                }
                Some(DueAction::Kill(reason)) => {
                    let pid = child.pid.map(Pid::as_raw);
                    tracing::warn!(child = child.role.name(), pid, "killed: {reason}");
                    child.kill();
                }
                None => {}
            }
        }
        self.drain_tick(now);
        failure
    }

    /// Takes the messages of the process `pid`. False when it is neither child's.
    pub(crate) fn on_messages(&mut self, pid: Pid, messages: &[NotifyMessage], now: Instant) -> bool {
        let Some(child) = self.child_mut(pid) else {
            return false;
        };
        for message in messages {
            match message {
                NotifyMessage::Ready => {
                    child.tracker.ready(now);
                    let since = child.since.unwrap_or(now);
                    let took_ms = now.duration_since(since).as_millis() as u64;
                    tracing::info!(child = child.role.name(), pid = pid.as_raw(), took_ms, "ready");
                }
                NotifyMessage::Alive => child.tracker.alive(now),
                NotifyMessage::Lost(lines) => child.log_lines_lost = *lines,
                NotifyMessage::Status(status) => child.status = Some(status.clone()),
                // `on_reload_results` takes it: it is about both children.
                NotifyMessage::Reloaded(_) => {}
            }
        }
        true
    }

    /// The process `pid` has ended and was reaped. Returns the failure if it is a child that is given up.
    pub(crate) fn on_exit(&mut self, pid: Pid, status: ExitStatus, now: Instant) -> Option<SuperviseError> {
        let child = self.child_mut(pid)?;
        child.forget_process();
        let decision = child.tracker.exited(now, status.code());
        describe_exit(child, decision, status)
    }

    /// Asks the proxy by `signal` to finish within `limit`. If it drains already, `limit` replaces the former one.
    pub(crate) fn begin_drain(&mut self, signal: Signal, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (child, drain) = match self.drain {
            Drain::No | Drain::Proxy { .. } => (&mut self.children.proxy, Drain::Proxy { deadline, signal }),
            Drain::Registry { .. } => (&mut self.children.registry, Drain::Registry { deadline, signal }),
        };
        self.drain = drain;
        // These are the last copies but the process's own: from now on a new connection is refused, not left waiting,
        // unless another generation listens on the same socket.
        child.sockets.clear();
        child.tracker.drain(deadline);
        child.signal(signal);
    }

    /// Once the proxy has ended, it is the registry's turn.
    fn drain_tick(&mut self, now: Instant) {
        let Pair { proxy, registry } = &mut self.children;
        if let Drain::Proxy { deadline, signal } = self.drain
            && proxy.tracker.state() == ChildState::Stopped
            && proxy.pid.is_none()
        {
            let deadline = deadline.max(now + LAST_GRACE);
            self.drain = Drain::Registry { deadline, signal };
            registry.sockets.clear();
            registry.tracker.drain(deadline);
            registry.signal(signal);
        }
    }

    /// Kills both, without a drain.
    pub(crate) fn kill(&mut self) {
        let deadline = Instant::now();
        // So a binary that takes over before their end is seen does not start them again.
        self.drain = Drain::Registry {
            deadline,
            signal: Signal::SIGKILL,
        };
        for child in self.children.iter_mut() {
            child.tracker.drain(deadline);
            child.kill();
        }
    }
}

/// Logs the end of a child. Returns the failure if the child is given up.
fn describe_exit(child: &mut Child, decision: RestartDecision, status: ExitStatus) -> Option<SuperviseError> {
    let process = child.role.name();
    let reason = child
        .status
        .take()
        .map_or_else(|| status.to_string(), |note| format!("{note} ({status})"));
    let failure = match decision {
        RestartDecision::Stopped => None,
        RestartDecision::Restart(wait) => {
            tracing::warn!(
                child = process,
                restart_in_ms = wait.as_millis() as u64,
                "ended: {reason}"
            );
            None
        }
        RestartDecision::Refused => Some(SuperviseError::Refused {
            reason: format!("{process}: {reason}"),
        }),
        RestartDecision::Hopeless(times, took) => Some(SuperviseError::Hopeless {
            process,
            times,
            seconds: took.as_secs_f64(),
            reason: reason.clone(),
        }),
    };
    child.status = Some(reason);
    failure
}
