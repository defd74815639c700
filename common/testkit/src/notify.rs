//! The service manager's end of `NOTIFY_SOCKET` (sd_notify(3)).
//!
//! ```no_run
//! # use lockgate_testkit::NotifySocket;
//! # let mut command = std::process::Command::new("lockgate");
//! let manager = NotifySocket::bind(std::path::Path::new("notify"));
//! command.env("NOTIFY_SOCKET", "notify").spawn().unwrap();
//! assert!(manager.wait_for("READY=1").contains("STATUS=serving"));
//! ```

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::TIMEOUT;

/// Receives what a service says.
#[derive(Debug)]
pub struct NotifySocket(UnixDatagram);

impl NotifySocket {
    /// At `path`.
    pub fn bind(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self(socket)
    }

    /// The next message.
    pub fn receive(&self) -> String {
        let mut message = [0; 4096];
        let length = self
            .0
            .recv(&mut message)
            .unwrap_or_else(|error| panic!("no message: {error}"));
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// Waits for a message that has a line beginning with `start`; gives the whole message.
    pub fn wait_for(&self, start: &str) -> String {
        loop {
            let message = self.receive();
            if message.lines().any(|line| line.starts_with(start)) {
                return message;
            }
        }
    }
}
