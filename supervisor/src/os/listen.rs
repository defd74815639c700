//! Listening sockets: opened once, kept while children come and go, so that a connection is never refused meanwhile.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use lockgate_config::Address;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};

use super::socket_path::SocketPath;

/// Connections that wait while a child restarts. The kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Why a socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// The name stands for no address.
    #[error("{key} {address}: the host name cannot be resolved: {source}")]
    Unresolved {
        key: &'static str,
        address: String,
        source: io::Error,
    },
    #[error(
        "{key} {address}: already in use by another program (`ss -ltnp` names it); choose another port{}",
        with_listen(key)
    )]
    InUse { key: &'static str, address: String },
    /// A port below 1024, as a normal user.
    #[error(
        "{key} {address}: not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another{}",
        with_listen(key)
    )]
    NotPermitted { key: &'static str, address: String },
    #[error("{key} {address}: {source}")]
    Tcp {
        key: &'static str,
        address: String,
        source: io::Error,
    },
    /// Another process listens on the Unix socket.
    #[error("{}: another process listens there", .path.display())]
    UnixInUse { path: PathBuf },
    #[error("{}: {source}", .path.display())]
    Unix { path: PathBuf, source: io::Error },
}

#[derive(Debug)]
pub(crate) struct ListeningSocket {
    /// What it is for: its name among LISTEN_FDNAMES.
    pub(crate) name: String,
    /// The address that the configuration asks for.
    pub(crate) asked: Address,
    /// The address it has: a port 0 became another.
    pub(crate) address: Address,
    pub(crate) descriptor: OwnedFd,
}

impl ListeningSocket {
    /// Whether it is what a configuration asks for.
    pub(crate) fn serves(&self, name: &str, address: &Address) -> bool {
        self.name == name && (self.asked == *address || self.address == *address)
    }

    /// Another descriptor of the same socket.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            name: self.name.clone(),
            asked: self.asked.clone(),
            address: self.address.clone(),
            descriptor: self.descriptor.try_clone()?,
        })
    }
}

/// The key of the address that most sockets are for.
const ADDR: &str = "http.addr";

/// What else can be done about the port, where the command line has a say.
fn with_listen(key: &str) -> &'static str {
    if key == ADDR { " with --listen" } else { "" }
}

impl SocketError {
    /// The same for an address of another key.
    #[must_use]
    pub(crate) fn at(mut self, name: &'static str) -> Self {
        if let Self::Unresolved { key, .. }
        | Self::InUse { key, .. }
        | Self::NotPermitted { key, .. }
        | Self::Tcp { key, .. } = &mut self
        {
            *key = name;
        }
        self
    }
}

/// Listens on TCP. An empty host and `::` are every address, IPv4 and IPv6; a name is its first address, IPv4 before
/// IPv6.
pub(crate) fn listen_tcp(host: &str, port: u16) -> Result<TcpListener, SocketError> {
    on_tcp(host, port, open_tcp)
}

/// Whether [`listen_tcp`] would succeed; nobody can connect meanwhile.
pub(crate) fn try_tcp(host: &str, port: u16) -> Result<(), SocketError> {
    on_tcp(host, port, bind_tcp).map(drop)
}

/// Calls `open` with an address, and whether it is of both families.
fn on_tcp<T>(host: &str, port: u16, open: fn(SocketAddr, bool) -> Result<T, Errno>) -> Result<T, SocketError> {
    let wanted = Address::Tcp {
        host: host.to_owned(),
        port,
    };
    let address = wanted.to_string();
    if wanted.is_every_address() {
        return match open((Ipv6Addr::UNSPECIFIED, port).into(), true) {
            // No IPv6 in this kernel or container.
            Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) => open((Ipv4Addr::UNSPECIFIED, port).into(), false),
            opened => opened,
        }
        .map_err(|errno| tcp_error(address, errno));
    }
    let candidates = match (host, port).to_socket_addrs() {
        Ok(candidates) => candidates.collect::<Vec<_>>(),
        Err(source) => {
            return Err(SocketError::Unresolved {
                key: ADDR,
                address,
                source,
            });
        }
    };
    let Some(first) = candidates
        .iter()
        .find(|candidate| candidate.is_ipv4())
        .or(candidates.first())
    else {
        let source = io::Error::from(io::ErrorKind::NotFound);
        return Err(SocketError::Unresolved {
            key: ADDR,
            address,
            source,
        });
    };
    open(*first, false).map_err(|errno| tcp_error(address, errno))
}

fn open_tcp(address: SocketAddr, dual_stack: bool) -> Result<TcpListener, Errno> {
    let descriptor = bind_tcp(address, dual_stack)?;
    listen(&descriptor, Backlog::new(BACKLOG)?)?;
    Ok(descriptor.into())
}

fn bind_tcp(address: SocketAddr, dual_stack: bool) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv6() {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    let descriptor: OwnedFd = socket(
        family,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    setsockopt(&descriptor, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&descriptor, sockopt::Ipv6V6Only, &!dual_stack)?;
    }
    bind(descriptor.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(descriptor)
}

fn tcp_error(address: String, errno: Errno) -> SocketError {
    match errno {
        Errno::EADDRINUSE => SocketError::InUse { key: ADDR, address },
        Errno::EACCES | Errno::EPERM => SocketError::NotPermitted { key: ADDR, address },
        other => SocketError::Tcp {
            key: ADDR,
            address,
            source: other.into(),
        },
    }
}

/// Listens on a Unix socket with mode 0660, replacing one that nobody serves any more.
pub(crate) fn listen_unix(path: &Path) -> Result<UnixListener, SocketError> {
    let failed = |source| SocketError::Unix {
        path: path.to_owned(),
        source,
    };
    let way = SocketPath::to(path).map_err(failed)?;
    if UnixStream::connect(way.as_path()).is_ok() {
        return Err(SocketError::UnixInUse { path: path.to_owned() });
    }
    let open = || {
        remove_stale(path)?;
        let listener = UnixListener::bind(way.as_path())?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        listener.set_nonblocking(true)?;
        listen(&listener, Backlog::new(BACKLOG)?)?;
        Ok(listener)
    };
    open().map_err(failed)
}

/// Removes a socket that a crash left behind; anything that is not a socket stays and is an error.
pub(crate) fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "exists and is not a socket",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// `host` with the port that `socket` really has.
pub(crate) fn with_port(host: &str, port: u16, socket: &TcpListener) -> Address {
    let port = socket.local_addr().map_or(port, |address| address.port());
    Address::Tcp {
        host: host.to_owned(),
        port,
    }
}

/// Whether somebody has removed the socket; what cannot be looked at counts as there.
pub(crate) fn is_missing(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn every_address_is_reached_over_both_families() {
        for host in ["", "::", "0:0:0:0:0:0:0:0"] {
            let listener = listen_tcp(host, 0).unwrap();
            let port = listener.local_addr().unwrap().port();
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            if listener.local_addr().unwrap().is_ipv6() {
                // net.ipv6.bindv6only=1 would say otherwise.
                assert!(
                    !nix::sys::socket::getsockopt(&listener, sockopt::Ipv6V6Only).unwrap(),
                    "{host}"
                );
                TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
            }
        }
    }

    #[test]
    fn an_address_of_one_family_is_not_reached_over_the_other() {
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let ipv4 = listen_tcp("0.0.0.0", 0).unwrap();
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port(&ipv4))).is_err());
        // Where the machine has IPv6.
        if let Ok(ipv6) = listen_tcp("::1", 0) {
            assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port(&ipv6))).is_err());
        }
    }

    #[test]
    fn a_port_in_use_is_said_plainly() {
        let first = listen_tcp("127.0.0.1", 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = listen_tcp("127.0.0.1", port).unwrap_err();
        assert!(matches!(error, SocketError::InUse { .. }), "{error}");
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")));
    }

    #[test]
    fn the_unix_socket_is_for_owner_and_group_and_replaces_a_stale_one_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry.sock");
        let listener = listen_unix(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(listen_unix(&path).unwrap_err(), SocketError::UnixInUse { .. }));
        drop(listener);
        listen_unix(&path).unwrap();

        let file = directory.path().join("precious");
        std::fs::write(&file, "x").unwrap();
        assert!(listen_unix(&file).is_err());
        assert!(file.exists());
    }

    #[test]
    fn a_stale_socket_in_a_deep_directory_is_replaced_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("d".repeat(150)).join("registry.sock");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        drop(listen_unix(&path).unwrap());
        let _listener = listen_unix(&path).unwrap();
        assert!(matches!(listen_unix(&path).unwrap_err(), SocketError::UnixInUse { .. }));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    }

    #[test]
    fn a_name_that_does_not_fit_says_what_to_do() {
        let error = listen_unix(&Path::new("/tmp").join("x".repeat(120))).unwrap_err();
        assert!(error.to_string().contains("choose a shorter one"), "{error}");
    }
}
