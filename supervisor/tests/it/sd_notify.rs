//! The supervisor as a service manager sees it: sd_notify(3) and sd_listen_fds(3), over real sockets.

use std::net::TcpStream;
use std::process::Command;

use lockgate_testkit::{NotifySocket, address, eventually, require};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use crate::harness::{PLAIN, Running, Workdir};

#[test]
fn a_service_manager_is_told_everything() {
    // proves: MOSI-18
    let workdir = Workdir::new();
    let manager = NotifySocket::bind(&workdir.path("notify"));
    let config = workdir.write("config.yml", PLAIN);
    let mut command = workdir.command(&["start", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()]);
    command
        .env("NOTIFY_SOCKET", workdir.path("notify"))
        .env("WATCHDOG_USEC", "300000");
    let mut running = Running::of(command, &workdir.path("stderr"));
    assert!(manager.wait_for("READY=1").contains("STATUS=serving"));
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");

    let before = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    workdir.run(&["reload"]).expect(0);
    let reloading = manager.wait_for("RELOADING=1");
    let microseconds = reloading
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="))
        .unwrap();
    let before = before.tv_sec() * 1_000_000 + before.tv_nsec() / 1000;
    assert!(
        (before..before + 30_000_000).contains(&microseconds.parse().unwrap()),
        "{before} {microseconds}"
    );
    manager.wait_for("READY=1");

    running.signal(Signal::SIGTERM);
    manager.wait_for("STOPPING=1");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_socket_that_systemd_opened_is_served_and_kept() {
    if !require(&["systemd-socket-activate"]) {
        return;
    }
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", PLAIN);
    let [port] = address::free_ports();
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
        eventually("a socket that listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
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
