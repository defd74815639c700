//! The supervisor as a service manager sees it: sd_notify(3) and sd_listen_fds(3), over real sockets.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use lockgate_testkit::require;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use crate::harness::{PATIENCE, PLAIN, Running, Workdir};

/// What a service manager hears.
struct Ear(UnixDatagram);

impl Ear {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// Waits for a message that has a line beginning with `start`; gives the whole message.
    fn hears(&self, start: &str) -> String {
        loop {
            let mut message = [0; 4096];
            let length = self
                .0
                .recv(&mut message)
                .unwrap_or_else(|error| panic!("never heard {start}: {error}"));
            let text = String::from_utf8(message[..length].to_vec()).unwrap();
            if text.lines().any(|line| line.starts_with(start)) {
                return text;
            }
        }
    }
}

#[test]
fn a_service_manager_is_told_everything() {
    // proves: MOSI-18
    let workdir = Workdir::new();
    let ear = Ear::at(&workdir.path("notify"));
    let config = workdir.write("config.yml", PLAIN);
    let mut command = workdir.command(&["start", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()]);
    command
        .env("NOTIFY_SOCKET", workdir.path("notify"))
        .env("WATCHDOG_USEC", "300000");
    let mut running = Running::of(command, &workdir.path("stderr"));
    assert!(ear.hears("READY=1").contains("STATUS=serving"));
    ear.hears("WATCHDOG=1");
    ear.hears("WATCHDOG=1");

    let before = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    workdir.run(&["reload"]).expect(0);
    let reloading = ear.hears("RELOADING=1");
    let microseconds = reloading
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="))
        .unwrap();
    let before = before.tv_sec() * 1_000_000 + before.tv_nsec() / 1000;
    assert!(
        (before..before + 30_000_000).contains(&microseconds.parse().unwrap()),
        "{before} {microseconds}"
    );
    ear.hears("READY=1");

    running.signal(Signal::SIGTERM);
    ear.hears("STOPPING=1");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_socket_that_systemd_opened_is_served_and_kept() {
    if !require(&["systemd-socket-activate"]) {
        return;
    }
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", PLAIN);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let own = workdir.command(&["start", "--config", config.to_str().unwrap()]);
    let mut command = Command::new("systemd-socket-activate");
    command
        .args(["--fdname=public", "--listen"])
        .arg(format!("127.0.0.1:{port}"));
    command
        .arg("--")
        .arg(own.get_program())
        .args(own.get_args())
        .current_dir(workdir.path(""));
    // It starts the program at the first connection.
    let client = std::thread::spawn(move || {
        let address = ("127.0.0.1", port);
        let deadline = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < deadline && std::net::TcpStream::connect(address).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
    let running = Running::of(command, &workdir.path("stderr"));
    client.join().unwrap();
    assert_eq!(
        running.address,
        format!("127.0.0.1:{port}"),
        "where systemd listens, not where the file says"
    );
    assert_eq!(running.get("/v2/"), "200");
}
