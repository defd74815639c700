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
use super::child_process::{Child, Setting};
use super::restart_policy::{Due, Phase, Verdict};
use crate::os::exit_status::End;
use crate::os::notify_socket::Word;

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
    pub(crate) setting: Setting,
    /// The proxy first: it drains first.
    pub(crate) children: [Child; 2],
    pub(crate) drain: Drain,
}

impl Generation {
    /// Children that are to be started with `setting`.
    pub(crate) fn new(number: u32, setting: Setting, children: [Child; 2]) -> Self {
        Self {
            number,
            setting,
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
        self.children.iter().all(|child| child.life.is_ready())
    }

    /// Whether both have ended for good.
    pub(crate) fn is_over(&self) -> bool {
        self.children
            .iter()
            .all(|child| child.life.phase() == Phase::Stopped && child.pid.is_none())
    }

    /// When something will be due next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.children.iter().filter_map(|child| child.life.next()).min()
    }

    /// Starts and kills what the clock says, and goes on with a drain. Gives the failure of a hopeless child.
    pub(crate) fn do_what_is_due(&mut self, notify: &Path, now: Instant) -> Option<SuperviseError> {
        let mut failure = None;
        for child in &mut self.children {
            match child.life.due(now) {
                Some(Due::Start) => {
                    if let Err(error) = child.start(&self.setting, notify, now) {
                        child.life.started(now);
                        child.status = Some(format!("cannot start it: {error}"));
                        let verdict = child.life.exited(now, None);
                        failure = failure.or(judged(child, verdict, End::NeverRan));
                    }
                }
                Some(Due::Kill(reason)) => {
                    let pid = child.pid.map(Pid::as_raw);
                    tracing::warn!(child = child.role.name(), pid, "killed: {reason}");
                    child.kill();
                }
                None => {}
            }
        }
        self.drain_on(now);
        failure
    }

    /// Hears what the process `pid` says. False when it is none of these.
    pub(crate) fn hear(&mut self, pid: Pid, words: &[Word], now: Instant) -> bool {
        let Some(child) = self.children.iter_mut().find(|child| child.pid == Some(pid)) else {
            return false;
        };
        for word in words {
            match word {
                Word::Ready => {
                    child.life.ready(now);
                    let since = child.since.unwrap_or(now);
                    let took_ms = now.duration_since(since).as_millis() as u64;
                    tracing::info!(child = child.role.name(), pid = pid.as_raw(), took_ms, "ready");
                }
                Word::Alive => child.life.alive(now),
                Word::Lost(lines) => child.log_lines_lost = *lines,
                Word::Status(status) => child.status = Some(status.clone()),
                // Of a whole reload: `reload` listens.
                Word::Reloaded(_) => {}
            }
        }
        true
    }

    /// Buries the process `pid`, if it is one of these. Gives the failure of a hopeless child.
    pub(crate) fn bury(&mut self, pid: Pid, end: End, now: Instant) -> Option<SuperviseError> {
        let child = self.children.iter_mut().find(|child| child.pid == Some(pid))?;
        child.buried();
        let verdict = child.life.exited(now, end.code());
        judged(child, verdict, end)
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
        child.life.drain(deadline);
        child.signal(signal);
    }

    /// Once the proxy has ended, it is the registry's turn.
    fn drain_on(&mut self, now: Instant) {
        let [proxy, registry] = &mut self.children;
        if let Drain::Proxy { deadline, signal } = self.drain
            && proxy.life.phase() == Phase::Stopped
            && proxy.pid.is_none()
        {
            let deadline = deadline.max(now + LAST_GRACE);
            self.drain = Drain::Registry { deadline, signal };
            registry.sockets.clear();
            registry.life.drain(deadline);
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
            child.life.drain(deadline);
            child.kill();
        }
    }
}

/// What the end of a child means for its generation: the failure that ends it, if it does.
fn judged(child: &mut Child, verdict: Verdict, end: End) -> Option<SuperviseError> {
    let process = child.role.name();
    let reason = child
        .status
        .take()
        .map_or_else(|| end.to_string(), |status| format!("{status} ({end})"));
    let failure = match verdict {
        Verdict::Stopped => None,
        Verdict::Restart(wait) => {
            tracing::warn!(
                child = process,
                restart_in_ms = wait.as_millis() as u64,
                "ended: {reason}"
            );
            None
        }
        Verdict::Refused => Some(SuperviseError::Refused {
            reason: format!("{process}: {reason}"),
        }),
        Verdict::Hopeless(times, took) => Some(SuperviseError::Hopeless {
            process,
            times,
            seconds: took.as_secs_f64(),
            reason: reason.clone(),
        }),
    };
    child.status = Some(reason);
    failure
}
