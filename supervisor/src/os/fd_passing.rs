//! Open descriptors that travel between processes: SCM_RIGHTS of unix(7), over a pair of sockets that keeps messages
//! apart.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::memfd::{MFdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Descriptors in one message; the kernel takes 253 (`SCM_MAX_FD`).
const MOST: usize = 128;
/// The most bytes in one message.
const LONGEST: usize = 64 * 1024;

/// Two connected sockets, which are closed at an exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends `text` and `descriptors` as one message. Never waits: a receiver that has not taken earlier messages is an
/// error.
pub(crate) fn send(socket: impl AsFd, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if text.len() > LONGEST || descriptors.len() > MOST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !rights.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(text)], &mut rights, flags)?;
    Ok(())
}

/// Waits for the next message; `None` when the other end is closed.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut text = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let pieces = &mut [IoSliceMut::new(&mut text)];
        match recvmsg(&socket, pieces, &mut rights, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    let descriptors: Vec<OwnedFd> = rights
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 && descriptors.is_empty() {
        return Ok(None);
    }
    if received.flags.contains(ReturnFlags::TRUNC) || received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("a message with descriptors was cut off"));
    }
    text.truncate(received.bytes);
    Ok(Some((text, descriptors)))
}

/// `text` as a file without a name, read from its beginning.
pub(crate) fn in_memory(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"lockgate", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Sends a text of any length.
pub(crate) fn send_text(socket: impl AsFd, text: &str) -> io::Result<()> {
    send(socket, b"text", &[in_memory(text)?.as_fd()])
}

/// Waits for the next text of [`send_text`]; `None` when the other end is closed.
pub(crate) fn receive_text(socket: impl AsFd) -> io::Result<Option<String>> {
    let Some((_, descriptors)) = receive(socket)? else {
        return Ok(None);
    };
    let descriptor = descriptors.into_iter().next().ok_or(io::ErrorKind::InvalidData)?;
    let mut text = String::new();
    File::from(descriptor).read_to_string(&mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_arrives_and_the_end_is_seen() {
        let (here, there) = pair().unwrap();
        let long = "x".repeat(1 << 20);
        send_text(&here, &long).unwrap();
        send_text(&here, "short").unwrap();
        assert_eq!(receive_text(&there).unwrap().as_deref(), Some(long.as_str()));
        assert_eq!(receive_text(&there).unwrap().as_deref(), Some("short"));
        drop(here);
        assert_eq!(receive_text(&there).unwrap(), None);
    }

    #[test]
    fn descriptors_arrive_in_order_and_as_the_same_open_files() {
        let (here, there) = pair().unwrap();
        let files: Vec<_> = (0..40).map(|i| in_memory(&i.to_string()).unwrap()).collect();
        let descriptors: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        send(&here, b"state", &descriptors).unwrap();
        let (text, received) = receive(&there).unwrap().unwrap();
        assert_eq!(text, b"state");
        let contents: Vec<_> = received
            .into_iter()
            .map(|descriptor| io::read_to_string(File::from(descriptor)).unwrap())
            .collect();
        assert_eq!(contents, (0..40).map(|i| i.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn who_does_not_listen_is_not_waited_for() {
        let (here, _there) = pair().unwrap();
        let filled = (0..10_000).find_map(|_| send_text(&here, "x").err()).unwrap();
        assert_eq!(filled.kind(), io::ErrorKind::WouldBlock);
    }
}
