//! The system's log: datagrams to `/dev/log`, which syslog daemons and journald read.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use tracing::Level;

/// Where the system's log listens.
pub(crate) const DEV_LOG: &str = "/dev/log";
/// RFC 5424 section 6.2.1: facility 3, system daemons.
const DAEMON: u8 = 3;

/// The way to the system's log. A log that nobody reads is nobody's loss.
#[derive(Debug)]
pub(super) struct SystemLog {
    path: PathBuf,
    process: &'static str,
    socket: Option<UnixDatagram>,
}

impl SystemLog {
    pub(super) fn new(path: impl Into<PathBuf>, process: &'static str) -> Self {
        Self {
            path: path.into(),
            process,
            socket: None,
        }
    }

    /// Sends a message of one line; gives whether somebody has taken it. A daemon that was restarted is found again, one
    /// that is busy is waited for.
    pub(super) fn send(&mut self, level: Level, message: &str) -> bool {
        let priority = DAEMON * 8 + severity(level);
        let packet = format!(
            "<{priority}>lockgate-{}[{}]: {message}",
            self.process,
            std::process::id()
        );
        for _ in 0..2 {
            if self.socket.is_none() {
                self.socket = self.connect();
            }
            match &self.socket {
                Some(socket) if socket.send(packet.as_bytes()).is_err() => self.socket = None,
                found => return found.is_some(),
            }
        }
        false
    }

    fn connect(&self) -> Option<UnixDatagram> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(&self.path).ok()?;
        Some(socket)
    }
}

/// RFC 5424 section 6.2.1, table 2.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_its_priority_and_a_restarted_daemon_is_found_again() {
        // proves: MOSI-09
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = SystemLog::new(&path, "proxy");
        assert!(!log.send(Level::INFO, "nobody listens"));
        for (level, priority) in [(Level::ERROR, 27), (Level::INFO, 30)] {
            let daemon = UnixDatagram::bind(&path).unwrap();
            assert!(log.send(level, "hello"));
            let mut packet = [0; 128];
            let length = daemon.recv(&mut packet).unwrap();
            let expected = format!("<{priority}>lockgate-proxy[{}]: hello", std::process::id());
            assert_eq!(String::from_utf8_lossy(&packet[..length]), expected);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
