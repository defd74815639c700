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
use crate::os::listen::Socket;
use crate::role::Role;
use crate::supervisor::child_process::{Child, Setting};
use crate::supervisor::generation::{Drain, Generation};
use crate::supervisor::restart_policy::Life;

/// Changes when an older binary's will can no longer be understood.
pub(crate) const PROTOCOL: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    protocol: u32,
    uptime_ms: u64,
    /// The address that overrides the configuration's.
    listen: Option<String>,
    /// The current one first; the others leave.
    generations: Vec<Written>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    number: u32,
    /// Of a generation that leaves: how long it may still take.
    leaves_within_ms: Option<u64>,
    /// Proxy, registry.
    children: [WrittenChild; 2],
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenChild {
    pid: Option<i32>,
    ready: bool,
    restarts: u32,
    uptime_ms: u64,
    address: String,
    has_channel: bool,
    sockets: Vec<WrittenSocket>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenSocket {
    name: String,
    asked: String,
    address: String,
}

/// The supervisor's own descriptors.
#[derive(Debug)]
pub(crate) struct Own<'a> {
    pub(crate) lock: BorrowedFd<'a>,
    pub(crate) notify: BorrowedFd<'a>,
    pub(crate) control: BorrowedFd<'a>,
}

/// Writes the will. What it returns becomes stdin of the next binary.
pub(crate) fn write(
    own: &Own<'_>,
    started: Instant,
    current: &Generation,
    leaving: &[Generation],
) -> io::Result<OwnedFd> {
    let now = Instant::now();
    let stdin = io::stdin();
    let configuration = fd_passing::in_memory(&current.setting.configuration)?;
    let mut handed = vec![stdin.as_fd(), own.lock, own.notify, own.control, configuration.as_fd()];
    let generations = || std::iter::once(current).chain(leaving);
    for child in generations().flat_map(|generation| &generation.children) {
        handed.extend(child.channel.as_ref().map(AsFd::as_fd));
        handed.extend(child.sockets.iter().map(|socket| socket.descriptor.as_fd()));
    }
    let text = Text {
        protocol: PROTOCOL,
        uptime_ms: milliseconds(now.duration_since(started)),
        listen: current.setting.listen().map(str::to_owned),
        generations: generations().map(|generation| written(generation, now)).collect(),
    };
    let (here, there) = fd_passing::pair()?;
    let text = serde_json::to_vec(&text).map_err(io::Error::other)?;
    fd_passing::send(here, &text, &handed)?;
    Ok(there)
}

fn written(generation: &Generation, now: Instant) -> Written {
    let leaves_by = match generation.drain {
        Drain::Proxy { deadline, .. } | Drain::Registry { deadline, .. } => Some(deadline),
        Drain::No => None,
    };
    Written {
        number: generation.number,
        leaves_within_ms: leaves_by.map(|deadline| milliseconds(deadline.saturating_duration_since(now))),
        children: [0, 1].map(|index| {
            let child = &generation.children[index];
            WrittenChild {
                pid: child.pid.map(Pid::as_raw),
                ready: child.life.is_ready(),
                restarts: child.life.restarts(),
                uptime_ms: child.since.map_or(0, |since| milliseconds(now.duration_since(since))),
                address: child.address.clone(),
                has_channel: child.channel.is_some(),
                sockets: child
                    .sockets
                    .iter()
                    .map(|socket| WrittenSocket {
                        name: socket.name.clone(),
                        asked: socket.asked.to_string(),
                        address: socket.address.to_string(),
                    })
                    .collect(),
            }
        }),
    }
}

/// What the binary before left.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) lock: File,
    pub(crate) notify: OwnedFd,
    pub(crate) control: OwnedFd,
    pub(crate) started: Instant,
    /// What the children run with: the text of the configuration, and the address over it.
    pub(crate) configuration: String,
    pub(crate) listen: Option<Address>,
    pub(crate) current: Heir,
    pub(crate) leaving: Vec<Heir>,
}

/// Children of the binary before.
#[derive(Debug)]
pub(crate) struct Heir {
    number: u32,
    leaves_within: Option<Duration>,
    children: [Child; 2],
}

impl Will {
    /// Opens the will, if there is one, and puts stdin back to what it was.
    pub(crate) fn open(environment: &Environment) -> io::Result<Option<Self>> {
        if !environment.is_taking_over() {
            return Ok(None);
        }
        let missing = || io::Error::new(io::ErrorKind::UnexpectedEof, "it is incomplete");
        let (text, handed) = fd_passing::receive(io::stdin())?.ok_or_else(missing)?;
        let text: Text = serde_json::from_slice(&text).map_err(io::Error::other)?;
        if text.protocol != PROTOCOL {
            return Err(io::Error::other(format!("it speaks protocol {}", text.protocol)));
        }
        let mut handed = handed.into_iter();
        let mut next = || handed.next().ok_or_else(missing);
        dup2_stdin(next()?)?;
        let (lock, notify, control) = (File::from(next()?), next()?, next()?);
        let configuration = io::read_to_string(File::from(next()?))?;
        let now = Instant::now();
        let mut heirs = text
            .generations
            .into_iter()
            .map(|written| read(written, &mut next, now))
            .collect::<io::Result<Vec<_>>>()?
            .into_iter();
        Ok(Some(Self {
            lock,
            notify,
            control,
            started: before(now, text.uptime_ms),
            configuration,
            listen: text.listen.as_deref().map(address).transpose()?,
            current: heirs.next().ok_or_else(missing)?,
            leaving: heirs.collect(),
        }))
    }
}

impl Heir {
    /// Its sockets.
    pub(crate) fn entrances(&self) -> Vec<&Socket> {
        self.children.iter().flat_map(|child| &child.sockets).collect()
    }

    /// As a generation whose children start again with `setting`, should they have to.
    pub(crate) fn adopt(self, setting: &Setting) -> Generation {
        let mut generation = Generation::new(self.number, setting.clone(), self.children);
        if let Some(limit) = self.leaves_within {
            generation.begin_drain(Signal::SIGUSR2, limit);
        }
        generation
    }
}

fn read(written: Written, next: &mut impl FnMut() -> io::Result<OwnedFd>, now: Instant) -> io::Result<Heir> {
    let mut adopt = |role, written: WrittenChild| {
        let channel = written.has_channel.then(&mut *next).transpose()?;
        let sockets = written
            .sockets
            .into_iter()
            .map(|socket| {
                Ok(Socket {
                    name: socket.name,
                    asked: address(&socket.asked)?,
                    address: address(&socket.address)?,
                    descriptor: next()?,
                })
            })
            .collect::<io::Result<_>>()?;
        let life = match written.pid {
            Some(_) => Life::adopted(now, written.ready, written.restarts),
            None => Life::new(now),
        };
        let mut child = Child::new(role, sockets, life);
        child.pid = written.pid.map(Pid::from_raw);
        child.since = child.pid.map(|_| before(now, written.uptime_ms));
        child.address = written.address;
        child.channel = channel;
        Ok::<_, io::Error>(child)
    };
    let [proxy, registry] = written.children;
    Ok(Heir {
        number: written.number,
        leaves_within: written.leaves_within_ms.map(Duration::from_millis),
        children: [adopt(Role::Proxy, proxy)?, adopt(Role::Registry, registry)?],
    })
}

fn address(text: &str) -> io::Result<Address> {
    text.parse().map_err(io::Error::other)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The clock may be younger than that.
fn before(now: Instant, ms: u64) -> Instant {
    now.checked_sub(Duration::from_millis(ms)).unwrap_or(now)
}
