//! Two processes and the one that watches them: killed, stopped, hung, hopeless.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use lockgate_testkit::{eventually, process};
use nix::sys::signal::{Signal, kill, killpg};
use sha2::{Digest, Sha256};

use crate::harness::{PLAIN, Ran, Running, Workdir, ready_pid, status};

#[test]
fn status_tells_of_each_process_and_stop_ends_them() {
    // proves: SECURE-11
    let workdir = Workdir::new();
    let mut running = workdir.start_plain();
    let table = workdir.run(&["status"]).expect(0).stdout;
    for text in [
        "PROCESS",
        "STATE",
        "PID",
        "UPTIME",
        "RESTARTS",
        "ADDRESS",
        "supervisor",
        "proxy",
        "registry",
        "ready",
    ] {
        assert!(table.contains(text), "{text} is not in:\n{table}");
    }
    assert!(table.contains(&running.address), "{table}");
    let pids = ["proxy", "registry"].map(|process| ready_pid(&workdir, process));
    workdir.run(&["stop"]).expect(0);
    assert_eq!(running.wait().code(), Some(0));
    assert!(pids.into_iter().all(|pid| !process::is_alive(pid)));
    workdir.run(&["status"]).expect(1);
}

#[test]
fn a_killed_process_comes_back_and_no_connection_is_refused() {
    // proves: SECURE-11
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    for process in ["proxy", "registry"] {
        for restarts in 1..=3 {
            let pid = ready_pid(&workdir, process);
            kill(pid, Signal::SIGKILL).unwrap();
            // Waits where the socket keeps it, and is answered.
            assert_eq!(running.get("/v2/"), "200", "{}", running.log());
            eventually("another process", || ready_pid(&workdir, process) != pid);
            let status = status(&workdir);
            let found = status["processes"]
                .as_array()
                .unwrap()
                .iter()
                .find(|found| found["name"] == process)
                .unwrap();
            assert_eq!(found["restarts"], restarts);
        }
    }
    assert!(running.log().contains("ended by SIGKILL"), "{}", running.log());
}

#[test]
fn a_hopeless_process_ends_everything_with_its_reason() {
    // proves: SECURE-12
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", PLAIN);
    let mut command = workdir.command(&["start", "--config", config.to_str().unwrap()]);
    // The runtime of each child refuses this; the supervisor has none.
    command.env("TOKIO_WORKER_THREADS", "0");
    let ran = Ran::of(command).expect(1);
    assert!(
        ran.stderr.contains("lockgate: gave up: the ") && ran.stderr.contains("5 times"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.is_empty(), "it never served: {}", ran.stdout);
    workdir.run(&["status"]).expect(1);
}

#[test]
fn a_hung_process_is_noticed_and_replaced() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let pid = ready_pid(&workdir, "registry");
    kill(pid, Signal::SIGSTOP).unwrap();
    eventually("another process", || ready_pid(&workdir, "registry") != pid);
    assert!(running.log().contains("watchdog"), "{}", running.log());
    assert_eq!(running.get("/v2/"), "200");
}

#[test]
fn a_port_in_use_is_one_clear_message() {
    let workdir = Workdir::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = workdir.write("config.yml", &PLAIN.replace("127.0.0.1:0", &address));
    let ran = workdir.run(&["start", "--config", config.to_str().unwrap()]).expect(1);
    assert_eq!(
        ran.stderr.lines().filter(|line| line.starts_with("lockgate: ")).count(),
        1,
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains(&format!("http.addr {address}: already in use")),
        "{}",
        ran.stderr
    );
    workdir.run(&["status"]).expect(1);

    let first = workdir.run(&["start", "--home", "new", "--listen", &address]).expect(1);
    assert!(first.stderr.contains("already in use"), "{}", first.stderr);
    assert!(
        !workdir.path("new/password").exists(),
        "nothing is made that nobody hears of"
    );
}

#[test]
fn a_home_has_one_instance() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let second = workdir.run(&["start", "--listen", "127.0.0.1:0"]).expect(1);
    assert!(
        second
            .stderr
            .contains(&format!("in use by a running lockgate (pid {})", running.pid())),
        "{}",
        second.stderr
    );
    assert_eq!(running.get("/v2/"), "200", "the first one is not disturbed");
}

#[test]
fn a_drain_finishes_the_upload_in_flight() {
    // proves: MOSI-22
    let workdir = Workdir::new();
    let mut running = workdir.start_plain();
    let upload = half_an_upload(&running);
    running.signal(Signal::SIGTERM);
    drains(&mut running, upload);
}

/// No more connections are taken, and what is in flight is finished.
fn drains(running: &mut Running, mut upload: TcpStream) {
    eventually("a closed door", || TcpStream::connect(&running.address).is_err());
    upload.write_all(b"world").unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_signal_to_the_whole_group_still_drains_in_order() {
    // A terminal signals the whole foreground process group, timeout(1) its child first and then the group.
    for signals in [&[Signal::SIGINT][..], &[Signal::SIGTERM, Signal::SIGTERM]] {
        let workdir = Workdir::new();
        let mut running = workdir.start_plain();
        let upload = half_an_upload(&running);
        for signal in signals {
            killpg(running.pid(), *signal).unwrap();
        }
        drains(&mut running, upload);
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let workdir = Workdir::new();
    let mut running = workdir.start_plain();
    let _upload = half_an_upload(&running);
    running.signal(Signal::SIGINT);
    eventually("a closed door", || TcpStream::connect(&running.address).is_err());
    assert_eq!(running.insist(Signal::SIGINT).code(), Some(0));
}

#[test]
fn the_drain_has_a_deadline() {
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + "  draintimeout: 1s\n"));
    let mut running = workdir.start(&["--config", config.to_str().unwrap()]);
    let _upload = half_an_upload(&running);
    let asked = Instant::now();
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().code(), Some(0));
    // Without it the idle timeout of the upload would be waited for, a minute.
    assert!((1..15).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
}

#[test]
fn an_upload_that_the_end_cut_off_is_resumed_after_the_next_start() {
    const SENT: usize = 300_000;
    let workdir = Workdir::new();
    let body: Vec<u8> = (0..2 * SENT).map(|i| (i % 251) as u8).collect();
    let mut running = workdir.start_plain();
    let upload = running.begin_upload();
    let mut cut = running.connect();
    write!(
        cut,
        "PATCH {upload} HTTP/1.1\r\nHost: r\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    cut.write_all(&body[..SENT]).unwrap();
    eventually("some of it on the disk", || running.received(&upload) > 0);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.insist(Signal::SIGTERM).code(), Some(0));

    let running = workdir.start_plain();
    let kept = running.received(&upload);
    assert!((1..=SENT).contains(&kept), "{kept}");
    let rest = &body[kept..];
    let mut resumed = running.connect();
    let range = format!("{kept}-{}", body.len() - 1);
    write!(
        resumed,
        "PATCH {upload} HTTP/1.1\r\nHost: r\r\nContent-Range: {range}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rest.len()
    )
    .unwrap();
    resumed.write_all(rest).unwrap();
    let mut answer = String::new();
    resumed.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let answer = running.http(&format!(
        "PUT {upload}?digest=sha256:{digest} HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

/// A PATCH of ten bytes, half of them sent.
fn half_an_upload(running: &Running) -> TcpStream {
    let path = running.begin_upload();
    let mut upload = running.connect();
    write!(
        upload,
        "PATCH {path} HTTP/1.1\r\nHost: r\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello"
    )
    .unwrap();
    // The registry counts the bytes once it has the request.
    eventually("the first half", || {
        let status = running.http(&format!("GET {path} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n"));
        !status.starts_with("HTTP/1.1 404")
    });
    upload
}

#[test]
fn children_do_not_outlive_a_killed_supervisor_and_the_next_start_is_at_once() {
    let workdir = Workdir::new();
    let mut running = workdir.start_plain();
    let pids = ["proxy", "registry"].map(|process| ready_pid(&workdir, process));
    let address = running.address.clone();
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().signal(), Some(9));
    let config = workdir.path("config.yml");
    let next = workdir.command(&["start", "--config", config.to_str().unwrap(), "--listen", &address]);
    let next = Running::of(next, &workdir.path("stderr"));
    assert_eq!(next.address, address);
    eventually("the end of the orphans", || {
        pids.into_iter().all(|pid| !process::is_alive(pid))
    });
    assert_eq!(next.get("/v2/"), "200");
}

#[test]
fn a_push_outlives_a_killed_supervisor_and_the_next_one_waits_for_it() {
    const SIZE: usize = 600_000;
    let workdir = Workdir::new();
    let mut running = workdir.start_plain();
    let path = running.begin_upload();
    let mut push = running.connect();
    write!(
        push,
        "PATCH {path} HTTP/1.1\r\nHost: r\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    push.write_all(&[7; SIZE / 2]).unwrap();
    eventually("some of it on the disk", || running.received(&path) > 0);
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().signal(), Some(9));

    let config = workdir.path("config.yml");
    let next = workdir.command(&[
        "start",
        "--config",
        config.to_str().unwrap(),
        "--listen",
        &running.address,
    ]);
    let stderr = workdir.path("next.stderr");
    let next = std::thread::spawn({
        let stderr = stderr.clone();
        move || Running::of(next, &stderr)
    });
    eventually("it waits", || {
        let log = std::fs::read_to_string(&stderr).unwrap_or_default();
        let waits = format!(
            "waiting for processes of a killed instance to finish killed={}",
            running.pid()
        );
        log.contains(&waits) || next.is_finished()
    });
    push.write_all(&[7; SIZE / 2]).unwrap();
    let mut answer = String::new();
    push.read_to_string(&mut answer).unwrap();
    let next = next.join().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 202"),
        "{answer}\n{}\n{}",
        running.log(),
        next.log()
    );
    assert_eq!(next.received(&path), SIZE);
    assert!(
        next.log().contains("waiting for processes"),
        "{}\n{}",
        running.log(),
        next.log()
    );
}
