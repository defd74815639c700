//! `lockgate registry` and `lockgate proxy` without a supervisor of ours: systemd's protocols.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{PATIENCE, PLAIN, Workdir, eventually, process_status};

/// A process that serves; ended when dropped.
struct Standalone(Child);

impl Standalone {
    /// Starts it and waits for `READY=1`.
    fn of(workdir: &Workdir, mut command: Command, name: &str) -> Self {
        let path = workdir.path(&format!("{name}.notify"));
        let notify = UnixDatagram::bind(&path).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = std::fs::File::create(workdir.path(&format!("{name}.stderr"))).unwrap();
        let process = Self(
            command
                .env("NOTIFY_SOCKET", path)
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        );
        let mut message = [0; 64];
        let length = notify.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1");
        // Alone it has the same walls.
        let pid = Pid::from_raw(process.0.id().cast_signed());
        assert_eq!(process_status(pid, "NoNewPrivs"), "1");
        assert_eq!(process_status(pid, "Umask"), "0077");
        eventually("a line that tells of them", || {
            let log = workdir.read(&format!("{name}.stderr"));
            log.contains("confined: user").then_some(())
        });
        process
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    fn end_in_order(mut self) {
        self.signal(Signal::SIGTERM);
        let end = eventually("the end", || self.0.try_wait().unwrap());
        assert_eq!(end.code(), Some(0));
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ping(mut stream: impl Read + Write) -> String {
    stream
        .write_all(b"GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_registry_serves_alone_on_a_unix_socket_and_the_proxy_in_front_of_it() {
    let workdir = Workdir::new();
    let socket = workdir.path("registry.sock");
    let unix = format!("unix:{}", socket.display());
    workdir.write("registry.yml", &PLAIN.replace("127.0.0.1:0", &unix));
    let registry = Standalone::of(
        &workdir,
        workdir.command(&["registry", "--config", "registry.yml"]),
        "registry",
    );
    assert_eq!(ping(UnixStream::connect(&socket).unwrap()), "200");

    // Somebody cleans up the directory.
    std::fs::remove_file(&socket).unwrap();
    eventually("the socket again", || UnixStream::connect(&socket).ok().map(drop));
    assert_eq!(ping(UnixStream::connect(&socket).unwrap()), "200");

    // The proxy's listener is handed down, as systemd would.
    workdir.write("proxy.yml", PLAIN);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = workdir.command(&["proxy", "--config", "proxy.yml", "--upstream", &unix]);
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "lockgate.socket");
    command
        .fd_mappings(vec![FdMapping {
            parent_fd: OwnedFd::from(listener),
            child_fd: 3,
        }])
        .unwrap();
    let proxy = Standalone::of(&workdir, command, "proxy");
    assert_eq!(ping(std::net::TcpStream::connect(address).unwrap()), "200");
    proxy.end_in_order();
    registry.end_in_order();
}

#[test]
fn a_bad_reload_leaves_a_process_as_it_is() {
    let workdir = Workdir::new();
    let socket = workdir.path("registry.sock");
    let text = PLAIN.replace("127.0.0.1:0", &format!("unix:{}", socket.display()));
    workdir.write("registry.yml", &text);
    let registry = Standalone::of(
        &workdir,
        workdir.command(&["registry", "--config", "registry.yml"]),
        "registry",
    );
    workdir.write("registry.yml", "version: 7\n");
    registry.signal(Signal::SIGHUP);
    eventually("the refusal", || {
        workdir
            .read("registry.stderr")
            .contains("the old configuration goes on")
            .then_some(())
    });
    assert_eq!(ping(UnixStream::connect(&socket).unwrap()), "200");

    // A better one is taken up, from another inode, by a process that is confined.
    workdir.write("new.yml", &format!("{text}  headers: {{X-Reloaded: [indeed]}}\n"));
    std::fs::rename(workdir.path("new.yml"), workdir.path("registry.yml")).unwrap();
    registry.signal(Signal::SIGHUP);
    eventually("the new header", || {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream
            .write_all(b"GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.to_lowercase().contains("x-reloaded: indeed").then_some(())
    });
}
