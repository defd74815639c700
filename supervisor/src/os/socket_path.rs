//! Unix sockets in directories with long names: `sockaddr_un` of unix(7) holds 107 bytes of a path, and build machines
//! and temporary directories have longer ones. Such a directory is opened, and the socket named through its descriptor.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// `sun_path` holds 108 bytes, the closing NUL among them.
const LONGEST: usize = 107;

/// A path that fits into an address, and leads to a socket as long as this lives.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    /// Open for as long as the path leads through it.
    _directory: Option<OwnedFd>,
}

impl SocketPath {
    /// The way to `socket`, whose directory must be there when its path is long.
    pub(crate) fn to(socket: &Path) -> io::Result<Self> {
        if socket.as_os_str().len() <= LONGEST {
            return Ok(Self {
                path: socket.to_owned(),
                _directory: None,
            });
        }
        let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Err(too_long(socket));
        };
        // Nothing is read there: whoever may enter it may name a socket in it.
        let directory = open(
            directory,
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        let path = Path::new("/proc/self/fd")
            .join(directory.as_raw_fd().to_string())
            .join(name);
        match path.as_os_str().len() <= LONGEST {
            true => Ok(Self {
                path,
                _directory: Some(directory),
            }),
            false => Err(too_long(socket)),
        }
    }

    /// The path is valid in this process only.
    pub(crate) fn as_path(&self) -> &Path {
        &self.path
    }
}

fn too_long(socket: &Path) -> io::Error {
    let name = socket.file_name().unwrap_or_default().to_string_lossy();
    io::Error::new(
        io::ErrorKind::InvalidFilename,
        format!("the name {name} is too long for a Unix socket; choose a shorter one"),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    /// 250 bytes in all.
    fn deep(directory: &Path) -> PathBuf {
        let mut deep = directory.to_owned();
        while deep.as_os_str().len() < 200 {
            deep.push("a-directory-with-a-long-name");
        }
        std::fs::create_dir_all(&deep).unwrap();
        deep
    }

    #[test]
    fn a_socket_in_a_deep_directory_is_bound_and_found() {
        let directory = tempfile::tempdir().unwrap();
        let socket = deep(directory.path()).join("registry.sock");
        assert!(UnixListener::bind(&socket).is_err(), "longer than an address");
        let listener = UnixListener::bind(SocketPath::to(&socket).unwrap().as_path()).unwrap();
        assert!(socket.exists());
        let _caller = UnixStream::connect(SocketPath::to(&socket).unwrap().as_path()).unwrap();
        listener.accept().unwrap();

        let socket = socket.with_file_name("notify.sock");
        let receiver = UnixDatagram::bind(SocketPath::to(&socket).unwrap().as_path()).unwrap();
        let way = SocketPath::to(&socket).unwrap();
        UnixDatagram::unbound()
            .unwrap()
            .send_to(b"READY=1", way.as_path())
            .unwrap();
        assert_eq!(receiver.recv(&mut [0; 16]).unwrap(), 7);
    }

    #[test]
    fn a_path_that_fits_is_taken_as_it_is() {
        let of_length = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        assert_eq!(
            SocketPath::to(&of_length(LONGEST)).unwrap().as_path(),
            of_length(LONGEST)
        );
        let error = SocketPath::to(&of_length(LONGEST + 1)).unwrap_err();
        assert!(error.to_string().contains("too long for a Unix socket"), "{error}");
        let error = SocketPath::to(&of_length(200).join("registry.sock")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
    }
}
