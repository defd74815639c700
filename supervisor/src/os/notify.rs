//! The sending side of systemd's notification protocol: `sd_notify(3)` without libsystemd.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::environment::Environment;
use super::socket_path::SocketPath;

/// Messages of our own, named as sd_notify(3) asks: a configuration is in force, or the old one goes on.
pub(crate) const TAKEN_UP: &str = "X_LOCKGATE_TAKEN_UP";
pub(crate) const REFUSED: &str = "X_LOCKGATE_REFUSED";
/// How many lines of the log are lost by now.
pub(crate) const LOST: &str = "X_LOCKGATE_LOG_LINES_LOST";

/// Sends messages to `NOTIFY_SOCKET`, or nowhere when it is not set.
#[derive(Debug, Default)]
pub(crate) struct Notifier(Option<Target>);

#[derive(Debug)]
struct Target {
    socket: UnixDatagram,
    /// For what is sent again and again: never waits for a receiver that hangs.
    pings: UnixDatagram,
    address: SocketAddr,
    /// Open for as long as the address leads through it.
    _way: Option<SocketPath>,
}

impl Notifier {
    /// From `NOTIFY_SOCKET`: a path, or `@name` in the abstract namespace.
    pub(crate) fn from_environment(environment: &Environment) -> io::Result<Self> {
        let Some(name) = environment.value("NOTIFY_SOCKET") else {
            return Ok(Self(None));
        };
        let (address, way) = match name.strip_prefix('@') {
            Some(abstract_name) => (SocketAddr::from_abstract_name(abstract_name)?, None),
            None => {
                let way = SocketPath::to(Path::new(name))?;
                (SocketAddr::from_pathname(way.as_path())?, Some(way))
            }
        };
        let pings = UnixDatagram::unbound()?;
        pings.set_nonblocking(true)?;
        Ok(Self(Some(Target {
            socket: UnixDatagram::unbound()?,
            pings,
            address,
            _way: way,
        })))
    }

    /// Sends `NAME=value` lines. Best effort: a receiver that is gone needs none.
    pub(crate) fn send(&self, state: &str) {
        if let Some(target) = &self.0 {
            target.send(&target.socket, state);
        }
    }

    /// `WATCHDOG=1`. The next one comes soon, so one that is not received is dropped.
    pub(crate) fn ping(&self) {
        self.send_ping("WATCHDOG=1");
    }

    /// The same, and how many lines its log has lost by now.
    pub(crate) fn send_alive(&self, lost: u64) {
        self.send_ping(&format!("WATCHDOG=1\n{LOST}={lost}"));
    }

    fn send_ping(&self, state: &str) {
        if let Some(target) = &self.0 {
            target.send(&target.pings, state);
        }
    }

    /// That a reload has begun; sd_notify(3) wants to know when.
    pub(crate) fn send_reloading(&self) {
        let now =
            clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// Whether a configuration that was received is in force, or why not.
    pub(crate) fn send_reloaded(&self, result: Result<(), String>) {
        match result {
            Ok(()) => self.send(&format!("{TAKEN_UP}=1")),
            Err(reason) => self.send(&format!("{REFUSED}={}", reason.replace('\n', "; "))),
        }
    }

    /// Why this process is about to end, in one line.
    pub(crate) fn send_status(&self, status: &str) {
        self.send(&format!("STATUS={}", status.replace('\n', "; ")));
    }
}

impl Target {
    fn send(&self, socket: &UnixDatagram, state: &str) {
        if let Err(error) = socket.send_to_addr(state.as_bytes(), &self.address) {
            tracing::debug!(%error, "cannot notify the service manager");
        }
    }
}

/// How often `WATCHDOG=1` is expected, from `WATCHDOG_USEC`; ping three times as often.
pub(crate) fn watchdog(environment: &Environment) -> Option<Duration> {
    if environment
        .value("WATCHDOG_PID")
        .is_some_and(|pid| pid != std::process::id().to_string())
    {
        return None;
    }
    let micros = environment.value("WATCHDOG_USEC")?.parse().ok()?;
    Some(Duration::from_micros(micros)).filter(|interval| !interval.is_zero())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_receiver_that_hangs_keeps_no_ping_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify.sock");
        let _hung = UnixDatagram::bind(&path).unwrap();
        let environment = Environment::default().with("NOTIFY_SOCKET", path.to_str().unwrap());
        let notifier = Notifier::from_environment(&environment).unwrap();
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            // More than the kernel keeps for a receiver (net.unix.max_dgram_qlen).
            (0..10_000).for_each(|lost| notifier.send_alive(lost));
            done.send(()).unwrap();
        });
        is_done.recv_timeout(Duration::from_secs(30)).unwrap();
    }
}
