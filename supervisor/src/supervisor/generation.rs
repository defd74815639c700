//! A proxy and its registry: started with one configuration, replaced together, drained one after the other.
//!
//! ```text
//! next ── both ready ──▶ current ── replaced ──▶ leaving ── both ended ──▶ gone
//!   └── does not become ready: killed, the current one goes on
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::SuperviseError;
use super::child_process::{Child, ChildSpec};
use super::restart_policy::{ChildState, DueAction, RestartDecision};
use crate::os::exit_status::ExitStatus;
use crate::os::notify_socket::NotifyMessage;

/// What the registry gets when the proxy used up the time: to keep hash states, not to finish bodies.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// How far the end is: the proxy finishes what it serves, then the registry what it stores; both within one deadline.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    /// Nobody asked.
    #[default]
    No,
    /// The proxy finishes.
    Proxy { deadline: Instant, signal: Signal },
    /// The registry finishes.
    Registry { deadline: Instant, signal: Signal },
}

/// Two children that belong together.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) spec: ChildSpec,
    /// The proxy first: it drains first.
    pub(crate) children: [Child; 2],
    pub(crate) drain: Drain,
}

impl Generation {
    /// Children that are to be started with `spec`.
    pub(crate) fn new(number: u32, spec: ChildSpec, children: [Child; 2]) -> Self {
        Self {
            number,
            spec,
            children,
            drain: Drain::No,
        }
    }

    pub(crate) fn proxy(&mut self) -> &mut Child {
        &mut self.children[0]
    }

    pub(crate) fn registry(&mut self) -> &mut Child {
        &mut self.children[1]
    }

    /// Whether both serve.
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

    /// Starts and kills what the clock says, and goes on with a drain. Gives the failure of a hopeless child.
    pub(crate) fn run_due(&mut self, notify: &Path, now: Instant) -> Option<SuperviseError> {
        let mut failure = None;
        for child in &mut self.children {
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

    /// Hears what the process `pid` says. False when it is none of these.
    pub(crate) fn on_messages(&mut self, pid: Pid, messages: &[NotifyMessage], now: Instant) -> bool {
        let Some(child) = self.children.iter_mut().find(|child| child.pid == Some(pid)) else {
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
                // Of a whole reload: `reload` listens.
                NotifyMessage::Reloaded(_) => {}
            }
        }
        true
    }

    /// Buries the process `pid`, if it is one of these. Gives the failure of a hopeless child.
    pub(crate) fn on_exit(&mut self, pid: Pid, status: ExitStatus, now: Instant) -> Option<SuperviseError> {
        let child = self.children.iter_mut().find(|child| child.pid == Some(pid))?;
        child.forget_process();
        let decision = child.tracker.exited(now, status.code());
        describe_exit(child, decision, status)
    }

    /// Tells the proxy to finish within `limit`, by `signal`. One that is leaving already is told to hurry.
    pub(crate) fn begin_drain(&mut self, signal: Signal, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (child, drain) = match self.drain {
            Drain::No | Drain::Proxy { .. } => (0, Drain::Proxy { deadline, signal }),
            Drain::Registry { .. } => (1, Drain::Registry { deadline, signal }),
        };
        self.drain = drain;
        let child = &mut self.children[child];
        // The last copies but the process's own: from now on a new connection is refused, not left waiting, unless
        // another generation listens on the same socket.
        child.sockets.clear();
        child.tracker.drain(deadline);
        child.signal(signal);
    }

    /// Once the proxy has ended, it is the registry's turn.
    fn drain_tick(&mut self, now: Instant) {
        let [proxy, registry] = &mut self.children;
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

    /// Ends both at once.
    pub(crate) fn kill(&mut self) {
        let deadline = Instant::now();
        // A binary that takes over before their end is seen starts none of them again.
        self.drain = Drain::Registry {
            deadline,
            signal: Signal::SIGKILL,
        };
        for child in &mut self.children {
            child.tracker.drain(deadline);
            child.kill();
        }
    }
}

/// What the end of a child means for its generation: the failure that ends it, if it does.
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
