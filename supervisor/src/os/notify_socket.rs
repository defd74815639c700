//! The receiving side of `NOTIFY_SOCKET`: children say that they are ready, alive, or why they end.
//!
//! A message counts only when the kernel says that it came from a child's own pid.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt};
use nix::unistd::Pid;

use super::listen::is_missing;
use super::notify::{LOST, REFUSED, TAKEN_UP};
use super::socket_path::SocketPath;

/// One line of a message that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotifyMessage {
    /// `READY=1`
    Ready,
    /// `WATCHDOG=1`
    Alive,
    /// `STATUS=...`
    Status(String),
    /// How many lines of its log are lost by now, while no sink takes any.
    Lost(u64),
    /// Whether it took up the configuration that it was given, or why not.
    Reloaded(Result<(), String>),
}

#[derive(Debug)]
pub(crate) struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl NotifySocket {
    /// Binds `path`, replacing what a crash left there.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        super::listen::remove_stale(path)?;
        Ok(Self {
            socket: bind(path)?,
            path: path.to_owned(),
        })
    }

    /// Goes on with a socket that another binary bound.
    pub(crate) fn adopt(descriptor: OwnedFd, path: &Path) -> Self {
        Self {
            socket: descriptor.into(),
            path: path.to_owned(),
        }
    }

    /// Binds it anew when its file was removed. Says whether it was.
    pub(crate) fn restore(&mut self) -> io::Result<bool> {
        let is_missing = is_missing(&self.path);
        if is_missing {
            self.socket = bind(&self.path)?;
        }
        Ok(is_missing)
    }

    /// The value of `NOTIFY_SOCKET`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next message, if there is one.
    pub(crate) fn receive(&self) -> io::Result<Option<(Pid, Vec<NotifyMessage>)>> {
        let mut text = [0; 4096];
        let mut control = cmsg_space!(UnixCredentials);
        loop {
            let mut pieces = [IoSliceMut::new(&mut text)];
            let fd = self.socket.as_raw_fd();
            let message = match recvmsg::<()>(fd, &mut pieces, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let sender = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::ScmCredentials(credentials) => Some(Pid::from_raw(credentials.pid())),
                _ => None,
            });
            let length = message.bytes;
            if let Some(sender) = sender {
                return Ok(Some((sender, parse(&String::from_utf8_lossy(&text[..length])))));
            }
        }
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        // Best effort: the next start replaces it anyway.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn bind(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::bind(SocketPath::to(path)?.as_path())?;
    // Children may be other users; the kernel tells who sent a message.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::PassCred, &true)?;
    Ok(socket)
}

/// Lines that are not understood are left out, as sd_notify(3) asks.
fn parse(message: &str) -> Vec<NotifyMessage> {
    message
        .lines()
        .filter_map(|line| match line.split_once('=')? {
            ("READY", "1") => Some(NotifyMessage::Ready),
            ("WATCHDOG", "1") => Some(NotifyMessage::Alive),
            (TAKEN_UP, _) => Some(NotifyMessage::Reloaded(Ok(()))),
            (REFUSED, reason) => Some(NotifyMessage::Reloaded(Err(reason.to_owned()))),
            (LOST, lines) => lines.parse().ok().map(NotifyMessage::Lost),
            ("STATUS", status) => Some(NotifyMessage::Status(status.to_owned())),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_the_pid_of_its_sender() {
        let directory = tempfile::tempdir().unwrap();
        let socket = NotifySocket::bind(&directory.path().join("notify.sock")).unwrap();
        assert_eq!(socket.receive().unwrap(), None);
        let sender = UnixDatagram::unbound().unwrap();
        sender
            .send_to(b"READY=1\nSTATUS=all is well\nMAINPID=1\n", socket.path())
            .unwrap();
        let (pid, messages) = socket.receive().unwrap().unwrap();
        assert_eq!(pid, Pid::this());
        assert_eq!(
            messages,
            [NotifyMessage::Ready, NotifyMessage::Status("all is well".into())]
        );
    }

    #[test]
    fn a_socket_that_a_crash_left_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify.sock");
        drop(UnixDatagram::bind(&path).unwrap());
        assert!(path.exists());
        NotifySocket::bind(&path).unwrap();
        assert!(!path.exists(), "removed when dropped");
    }
}
