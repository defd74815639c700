//! A log that takes nothing: a terminal that stands still, a reader that hangs, a disk that is frozen. What serves serves
//! on, and says afterwards what is missing.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lockgate_testkit::{NotifySocket, TIMEOUT, eventually};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{PLAIN, Running, Workdir, ready_pid, status};

/// No request waits for a log; much is left for a machine that has other things to do.
const AT_ONCE: Duration = Duration::from_secs(3);

fn config(workdir: &Workdir, log: &str) -> String {
    let yaml = PLAIN.replace("storage:", "storage:\n  delete: {enabled: true}") + log;
    workdir.write("config.yml", &yaml).to_str().unwrap().to_owned()
}

fn command(workdir: &Workdir, log: &str) -> Command {
    workdir.command(&["start", "--listen", "127.0.0.1:0", "--config", &config(workdir, log)])
}

/// Fills what a pipe holds.
fn fill(mut pipe: impl Write + AsFd) {
    let flags = OFlag::from_bits_retain(fcntl(pipe.as_fd(), FcntlArg::F_GETFL).unwrap());
    fcntl(pipe.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    let mut piece = vec![b'.'; 4096];
    piece[4095] = b'\n';
    let full = loop {
        if let Err(error) = pipe.write_all(&piece) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    fcntl(pipe.as_fd(), FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK)).unwrap();
}

/// A pipe that takes nothing more until it is read.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    (reader, writer)
}

/// Starts with a stderr that nobody reads.
fn start_blocked(workdir: &Workdir) -> (Running, PipeReader) {
    let (reader, writer) = full_pipe();
    let running = Running::with_stderr(command(workdir, ""), writer, &workdir.path("stderr"));
    (running, reader)
}

/// Everything that comes out of `source`, as it comes.
fn read_on(mut source: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let all = text.clone();
    std::thread::spawn(move || {
        let mut piece = [0; 65536];
        // A terminal whose other side is closed is an error.
        while let Ok(length @ 1..) = source.read(&mut piece) {
            *all.lock().unwrap() += &String::from_utf8_lossy(&piece[..length]);
        }
    });
    text
}

fn lines_with(text: &Mutex<String>, what: &str) -> Vec<String> {
    let text = text.lock().unwrap();
    text.lines()
        .filter(|line| line.contains(what))
        .map(str::to_owned)
        .collect()
}

/// `GET path`, which nothing delays.
#[track_caller]
fn get_at_once(running: &Running, path: &str) -> String {
    let began = Instant::now();
    let status = running.get(path);
    assert!(began.elapsed() < AT_ONCE, "{path:.40} took {:?}", began.elapsed());
    status
}

fn delete(running: &Running) -> String {
    running.http("DELETE /v2/a/manifests/v1 HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n")
}

fn number_after(line: &str, name: &str) -> usize {
    let rest = line.split_once(name).unwrap_or_else(|| panic!("{line}")).1;
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_reader_that_hangs_stops_no_request_and_what_it_missed_is_counted() {
    let workdir = Workdir::new();
    let (running, reader) = start_blocked(&workdir);
    // Twice what may wait.
    let (long, requests) = ("x".repeat(8000), 1000);
    for number in 0..requests {
        assert_eq!(get_at_once(&running, &format!("/v2/{number:06}/{long}")), "404");
    }
    // The line of a removal is not taken, so nothing is removed.
    let refused = delete(&running);
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("UNAVAILABLE"),
        "{refused}"
    );
    assert_eq!(get_at_once(&running, "/v2/"), "200");
    workdir.run(&["reload"]).expect(0);
    // Something to mend, and no reason to restart anything.
    workdir.run(&["status", "--probe", "ready"]).expect(0);
    let mut asked = 1;
    eventually("a status that tells of it", || {
        // Whether it serves, and whether others find room.
        asked += 2;
        let status = workdir.run(&["status"]);
        status.code == Some(3) && status.stdout.contains("the log of the proxy takes nothing")
    });

    let text = read_on(reader);
    let told = eventually("the line that tells of lost ones", || {
        lines_with(&text, "were lost")
            .into_iter()
            .find(|line| line.contains(" proxy: "))
    });
    let lost = number_after(&told, "access_lines=");
    assert_eq!(number_after(&told, "errors_and_audit_lines="), 0, "{told}");
    assert_eq!(get_at_once(&running, "/v2/after"), "404");
    eventually("what comes after it", || lines_with(&text, "GET /v2/after").pop());
    // What `status` asked for, the removal, the request after it, and the one after the gap. A request's line is logged
    // when it is over, which a client may see before.
    let of_proxy = eventually(
        &format!("{requests} and {asked} and 3 lines, {lost} of them lost"),
        || {
            let mut lines = lines_with(&text, " request_id=");
            lines.retain(|line| line.contains(" proxy: "));
            (lines.len() + lost == requests + asked + 3).then_some(lines)
        },
    );
    // The first ones, in order: beside the last of them there is room for a shorter line at best.
    let kept = of_proxy.iter().filter(|line| line.contains(&long));
    for (number, line) in kept.enumerate() {
        assert!(line.contains(&format!("/v2/{number:06}/")), "{line:.200}");
    }
    assert!(lines_with(&text, "audit: removing").is_empty(), "it was not removed");
    assert!(delete(&running).starts_with("HTTP/1.1 404"));
    let audited = lines_with(&text, "audit: removing the tag a:v1");
    assert!(
        audited.len() == 1 && audited[0].contains("client=127.0.0.1"),
        "{audited:?}"
    );
}

#[test]
fn a_terminal_that_stands_still_stops_no_request() {
    let workdir = Workdir::new();
    let pty = openpty(None, None).unwrap();
    let mut master = File::from(pty.master);
    // Ctrl-S.
    master.write_all(b"\x13").unwrap();
    eventually("a terminal that stands still", || {
        let mut slave = [PollFd::new(pty.slave.as_fd(), PollFlags::POLLOUT)];
        poll(&mut slave, PollTimeout::ZERO).unwrap() == 0
    });
    let running = Running::with_stderr(command(&workdir, ""), pty.slave, &workdir.path("stderr"));
    for _ in 0..50 {
        assert_eq!(get_at_once(&running, "/v2/"), "200");
    }
    assert!(delete(&running).starts_with("HTTP/1.1 503"));
    // Ctrl-Q.
    master.write_all(b"\x11").unwrap();
    let text = read_on(master);
    eventually("every line", || lines_with(&text, "GET /v2/ 200").len() == 50);
    assert!(lines_with(&text, "were lost").is_empty());
    assert!(delete(&running).starts_with("HTTP/1.1 404"));
}

#[test]
fn a_frozen_file_stops_no_request_and_is_written_when_it_thaws() {
    let workdir = Workdir::new();
    let directory = workdir.path("logs");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let frozen = ["proxy", "registry"].map(|process| {
        let path = directory.join(format!("{process}.log"));
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let both = OFlag::O_NONBLOCK.bits();
        let pipe = File::options()
            .read(true)
            .write(true)
            .custom_flags(both)
            .open(&path)
            .unwrap();
        fill(&pipe);
        pipe
    });
    let log = format!(
        "log: {{console: {{level: silent}}, file: {{level: info, directory: {}}}}}\n",
        directory.display()
    );
    let running = Running::of(command(&workdir, &log), &workdir.path("stderr"));
    for _ in 0..50 {
        assert_eq!(get_at_once(&running, "/v2/"), "200");
    }
    assert!(delete(&running).starts_with("HTTP/1.1 503"));
    // Opening it again waits with it, and nobody else does.
    running.signal(Signal::SIGUSR1);
    assert_eq!(get_at_once(&running, "/v2/"), "200");
    workdir.run(&["status"]).expect(0);

    let [proxy, registry] = frozen.map(read_on);
    eventually("every line", || lines_with(&proxy, "GET /v2/ 200").len() == 51);
    assert!(delete(&running).starts_with("HTTP/1.1 404"));
    assert_eq!(lines_with(&registry, "audit: removing the tag a:v1").len(), 1);
}

#[test]
fn with_a_log_that_takes_nothing_children_are_replaced_and_binaries_too() {
    let workdir = Workdir::new();
    let (mut running, reader) = start_blocked(&workdir);
    for process in ["registry", "proxy"] {
        let before = ready_pid(&workdir, process);
        kill(before, Signal::SIGKILL).unwrap();
        eventually("another one", || ready_pid(&workdir, process) != before);
        assert_eq!(get_at_once(&running, "/v2/"), "200");
    }
    workdir.run(&["upgrade"]).expect(0);
    assert_eq!(status(&workdir)["generation"], 2);
    assert_eq!(get_at_once(&running, "/v2/"), "200");
    running.signal(Signal::SIGTERM);
    assert!(running.wait().success());
    drop(reader);
}

#[test]
fn what_waits_is_written_at_the_end() {
    let workdir = Workdir::new();
    let (mut running, reader) = start_blocked(&workdir);
    for _ in 0..300 {
        assert_eq!(get_at_once(&running, "/v2/"), "200");
    }
    running.signal(Signal::SIGTERM);
    let text = read_on(reader);
    assert!(running.wait().success());
    assert_eq!(lines_with(&text, "GET /v2/ 200").len(), 300);
    assert_eq!(lines_with(&text, "registry drains").len(), 1);
}

#[test]
fn what_waits_is_written_before_another_binary_takes_over() {
    let workdir = Workdir::new();
    let manager = NotifySocket::bind(&workdir.path("manager"));
    let (reader, writer) = full_pipe();
    let mut command = command(&workdir, "");
    command.env("NOTIFY_SOCKET", workdir.path("manager"));
    let running = Running::with_stderr(command, writer, &workdir.path("stderr"));
    running.signal(Signal::SIGUSR2);
    manager.wait_for("RELOADING=1");
    // Time for another binary to begin, and less than a log is waited for that takes nothing.
    std::thread::sleep(Duration::from_millis(300));
    let text = read_on(reader);
    eventually("the first words of the new one", || {
        lines_with(&text, "this binary has taken over").pop()
    });
    assert_eq!(lines_with(&text, "supervisor: upgrading").len(), 1);
}

#[test]
fn a_kill_loses_nothing_that_is_a_tenth_of_a_second_old() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let proxy = ready_pid(&workdir, "proxy");
    for _ in 0..20 {
        assert_eq!(running.get("/v2/"), "200");
    }
    // What is promised.
    std::thread::sleep(Duration::from_millis(100));
    kill(proxy, Signal::SIGKILL).unwrap();
    let log = running.log();
    assert_eq!(log.matches("GET /v2/ 200").count(), 20, "{log}");
}

#[test]
fn a_start_that_fails_ends_although_nobody_reads_why() {
    let workdir = Workdir::new();
    let (reader, writer) = full_pipe();
    let mut command = command(&workdir, "log: {level: loud}\n");
    let mut child = command.stderr(writer).spawn().unwrap();
    let end = eventually("the end", || child.try_wait().unwrap());
    assert_eq!(end.code(), Some(78));
    drop((command, reader));
}

#[test]
fn who_hangs_up_on_the_banner_hinders_nobody() {
    let workdir = Workdir::new();
    let (reader, writer) = full_pipe();
    let mut command = command(&workdir, "");
    let stderr = File::create(workdir.path("stderr")).unwrap();
    let mut child = command.stdout(writer).stderr(Stdio::from(stderr)).spawn().unwrap();
    let before = ready_pid(&workdir, "registry");
    kill(before, Signal::SIGKILL).unwrap();
    eventually("another one", || ready_pid(&workdir, "registry") != before);
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    let began = Instant::now();
    assert!(child.wait().unwrap().success() && began.elapsed() < TIMEOUT);
    drop((command, reader));
}
