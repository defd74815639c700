//! What a supervisor leaves to the binary that takes its place in the same process: the state as JSON, and the open
//! descriptors beside it, in one message that waits on stdin.
//!
//! Everything else is closed by the exec, so nothing can leak; signals stay blocked, so none is lost.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use lockgate_config::Address;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, dup2_stdin};
use serde::{Deserialize, Serialize};

use crate::os::environment::Environment;
use crate::os::fd_passing;
use crate::os::listen::ListeningSocket;
use crate::role::{Pair, Role};
use crate::supervisor::child_process::{Child, ChildSpec};
use crate::supervisor::generation::{Drain, Generation};
use crate::supervisor::restart_policy::RestartTracker;

/// Changes when what an older binary leaves can no longer be understood.
pub(crate) const FORMAT_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    protocol: u32,
    uptime_ms: u64,
    /// The address that overrides the configuration's.
    listen: Option<String>,
    /// The current one first; the others leave.
    generations: Vec<GenerationSnapshot>,
}

#[derive(Debug, Serialize, Deserialize)]
struct GenerationSnapshot {
    number: u32,
    /// Of a generation that leaves: how long it may still take.
    leaves_within_ms: Option<u64>,
    /// Proxy, registry.
    children: [ChildSnapshot; 2],
}

#[derive(Debug, Serialize, Deserialize)]
struct ChildSnapshot {
    pid: Option<i32>,
    ready: bool,
    restarts: u32,
    uptime_ms: u64,
    address: String,
    has_channel: bool,
    sockets: Vec<SocketSnapshot>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SocketSnapshot {
    name: String,
    asked: String,
    address: String,
}

/// The descriptors that are the supervisor's, not its children's.
#[derive(Debug)]
pub(crate) struct SupervisorDescriptors<'a> {
    pub(crate) lock: BorrowedFd<'a>,
    pub(crate) notify: BorrowedFd<'a>,
    pub(crate) control: BorrowedFd<'a>,
}

/// Writes the upgrade state. What it returns becomes stdin of the next binary.
pub(crate) fn write(
    own: &SupervisorDescriptors<'_>,
    started: Instant,
    current: &Generation,
    leaving: &[Generation],
) -> io::Result<OwnedFd> {
    let now = Instant::now();
    let stdin = io::stdin();
    let configuration = fd_passing::in_memory(&current.spec.configuration)?;
    let mut descriptors = vec![stdin.as_fd(), own.lock, own.notify, own.control, configuration.as_fd()];
    let generations = || std::iter::once(current).chain(leaving);
    for child in generations().flat_map(|generation| generation.children.iter()) {
        descriptors.extend(child.channel.as_ref().map(AsFd::as_fd));
        descriptors.extend(child.sockets.iter().map(|socket| socket.descriptor.as_fd()));
    }
    let snapshot = Snapshot {
        protocol: FORMAT_VERSION,
        uptime_ms: milliseconds(now.duration_since(started)),
        listen: current.spec.listen().map(str::to_owned),
        generations: generations().map(|generation| snapshot(generation, now)).collect(),
    };
    let (here, there) = fd_passing::pair()?;
    let text = serde_json::to_vec(&snapshot).map_err(io::Error::other)?;
    fd_passing::send(here, &text, &descriptors)?;
    Ok(there)
}

fn snapshot(generation: &Generation, now: Instant) -> GenerationSnapshot {
    let leaves_by = match generation.drain {
        Drain::Proxy { deadline, .. } | Drain::Registry { deadline, .. } => Some(deadline),
        Drain::No => None,
    };
    GenerationSnapshot {
        number: generation.number,
        leaves_within_ms: leaves_by.map(|deadline| milliseconds(deadline.saturating_duration_since(now))),
        children: [&generation.children.proxy, &generation.children.registry].map(|child| ChildSnapshot {
            pid: child.pid.map(Pid::as_raw),
            ready: child.tracker.is_ready(),
            restarts: child.tracker.restarts(),
            uptime_ms: child.since.map_or(0, |since| milliseconds(now.duration_since(since))),
            address: child.address.clone(),
            has_channel: child.channel.is_some(),
            sockets: child
                .sockets
                .iter()
                .map(|socket| SocketSnapshot {
                    name: socket.name.clone(),
                    asked: socket.asked.to_string(),
                    address: socket.address.to_string(),
                })
                .collect(),
        }),
    }
}

/// What the binary left that this one replaces.
#[derive(Debug)]
pub(crate) struct UpgradeState {
    pub(crate) lock: File,
    pub(crate) notify: OwnedFd,
    pub(crate) control: OwnedFd,
    pub(crate) started: Instant,
    /// What the children run with: the text of the configuration, and the address over it.
    pub(crate) configuration: String,
    pub(crate) listen: Option<Address>,
    pub(crate) current: InheritedGeneration,
    pub(crate) leaving: Vec<InheritedGeneration>,
}

/// Children that another binary started.
#[derive(Debug)]
pub(crate) struct InheritedGeneration {
    number: u32,
    leaves_within: Option<Duration>,
    children: Pair<Child>,
}

impl UpgradeState {
    /// Reads the state that another binary left, if one did, and puts stdin back to what it was.
    pub(crate) fn open(environment: &Environment) -> io::Result<Option<Self>> {
        if !environment.is_taking_over() {
            return Ok(None);
        }
        let missing = || io::Error::new(io::ErrorKind::UnexpectedEof, "it is incomplete");
        let (text, descriptors) = fd_passing::receive(io::stdin())?.ok_or_else(missing)?;
        let snapshot: Snapshot = serde_json::from_slice(&text).map_err(io::Error::other)?;
        if snapshot.protocol != FORMAT_VERSION {
            return Err(io::Error::other(format!("it speaks protocol {}", snapshot.protocol)));
        }
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or_else(missing);
        dup2_stdin(next()?)?;
        let (lock, notify, control) = (File::from(next()?), next()?, next()?);
        let configuration = io::read_to_string(File::from(next()?))?;
        let now = Instant::now();
        let mut generations = snapshot
            .generations
            .into_iter()
            .map(|snapshot| read(snapshot, &mut next, now))
            .collect::<io::Result<Vec<_>>>()?
            .into_iter();
        Ok(Some(Self {
            lock,
            notify,
            control,
            started: before(now, snapshot.uptime_ms),
            configuration,
            listen: snapshot.listen.as_deref().map(address).transpose()?,
            current: generations.next().ok_or_else(missing)?,
            leaving: generations.collect(),
        }))
    }
}

impl InheritedGeneration {
    pub(crate) fn sockets(&self) -> Vec<&ListeningSocket> {
        self.children.iter().flat_map(|child| &child.sockets).collect()
    }

    /// Where clients come in, unless its proxy accepts no more.
    pub(crate) fn public_address(&self) -> Option<&Address> {
        self.children.proxy.sockets.first().map(|socket| &socket.address)
    }

    /// As a generation whose children start again with `spec`, should they have to.
    pub(crate) fn adopt(self, spec: &ChildSpec) -> Generation {
        let mut generation = Generation::new(self.number, spec.clone(), self.children);
        if let Some(limit) = self.leaves_within {
            generation.begin_drain(Signal::SIGUSR2, limit);
        }
        generation
    }
}

fn read(
    snapshot: GenerationSnapshot,
    next: &mut impl FnMut() -> io::Result<OwnedFd>,
    now: Instant,
) -> io::Result<InheritedGeneration> {
    let mut adopt = |role, snapshot: ChildSnapshot| {
        let channel = snapshot.has_channel.then(&mut *next).transpose()?;
        let sockets = snapshot
            .sockets
            .into_iter()
            .map(|socket| {
                Ok(ListeningSocket {
                    name: socket.name,
                    asked: address(&socket.asked)?,
                    address: address(&socket.address)?,
                    descriptor: next()?,
                })
            })
            .collect::<io::Result<_>>()?;
        let tracker = match snapshot.pid {
            Some(_) => RestartTracker::adopted(now, snapshot.ready, snapshot.restarts),
            None => RestartTracker::new(now),
        };
        let mut child = Child::new(role, sockets, tracker);
        child.pid = snapshot.pid.map(Pid::from_raw);
        child.since = child.pid.map(|_| before(now, snapshot.uptime_ms));
        child.address = snapshot.address;
        child.channel = channel;
        Ok::<_, io::Error>(child)
    };
    let [proxy, registry] = snapshot.children;
    Ok(InheritedGeneration {
        number: snapshot.number,
        leaves_within: snapshot.leaves_within_ms.map(Duration::from_millis),
        children: Pair {
            proxy: adopt(Role::Proxy, proxy)?,
            registry: adopt(Role::Registry, registry)?,
        },
    })
}

fn address(text: &str) -> io::Result<Address> {
    text.parse().map_err(io::Error::other)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `now` where the monotonic clock is younger than that.
fn before(now: Instant, ms: u64) -> Instant {
    now.checked_sub(Duration::from_millis(ms)).unwrap_or(now)
}
