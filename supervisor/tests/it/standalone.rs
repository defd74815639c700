//! `lockgate registry` and `lockgate proxy` without a supervisor of ours: systemd's protocols.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use lockgate_testkit::{Client, NotifySocket, eventually, process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{PLAIN, Workdir};

/// A process that serves; ended when dropped.
struct Standalone(Child);

impl Standalone {
    /// Starts it and waits for `READY=1`.
    fn of(workdir: &Workdir, mut command: Command, name: &str) -> Self {
        let path = workdir.path(&format!("{name}.notify"));
        let notify = NotifySocket::bind(&path);
        let log = std::fs::File::create(workdir.path(&format!("{name}.stderr"))).unwrap();
        let process = Self(
            command
                .env("NOTIFY_SOCKET", path)
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        );
        assert_eq!(notify.receive(), "READY=1");
        // Alone it has the same walls.
        let pid = Pid::from_raw(process.0.id().cast_signed());
        assert_eq!(process::status(pid, "NoNewPrivs"), "1");
        assert_eq!(process::status(pid, "Umask"), "0077");
        eventually("a line that tells of them", || {
            let log = workdir.read(&format!("{name}.stderr"));
            log.contains("confined: user")
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
    Client::unix(&socket).get("/v2/").expect(200);

    // Somebody cleans up the directory.
    std::fs::remove_file(&socket).unwrap();
    eventually("the socket again", || UnixStream::connect(&socket).ok().map(drop));
    Client::unix(&socket).get("/v2/").expect(200);

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
    Client::tcp(address).get("/v2/").expect(200);
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
    });
    Client::unix(&socket).get("/v2/").expect(200);

    // A better one is taken up, from another inode, by a process that is confined.
    workdir.write("new.yml", &format!("{text}  headers: {{X-Reloaded: [indeed]}}\n"));
    std::fs::rename(workdir.path("new.yml"), workdir.path("registry.yml")).unwrap();
    registry.signal(Signal::SIGHUP);
    eventually("the new header", || {
        Client::unix(&socket).get("/v2/").header("x-reloaded") == "indeed"
    });
}
