//! Orders that come while another is carried out: none is lost, and none undoes the other.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command};

use lockgate_testkit::{eventually, process};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::hand_over::pids;
use crate::harness::{PLAIN, Running, Workdir, status};

/// Takes the place of the program, and thinks about it until it is told to go on when it is asked whether it can take
/// over.
struct Hesitant {
    word: PathBuf,
    asked: PathBuf,
}

/// Where [`start`] starts the program from.
const BINARY: &str = "bin";

fn start(workdir: &Workdir) -> Running {
    let config = workdir.write("config.yml", PLAIN);
    symlink(env!("CARGO_BIN_EXE_lockgate"), workdir.path(BINARY)).unwrap();
    let mut command = Command::new(workdir.path(BINARY));
    command
        .args(["start", "--listen", "127.0.0.1:0", "--config"])
        .arg(config)
        .current_dir(workdir.path("."));
    Running::of(command, &workdir.path("stderr"))
}

impl Hesitant {
    /// In the end it does as `verdict`, a command of the shell.
    fn install(workdir: &Workdir, verdict: &str) -> Self {
        let [word, asked] = ["word", "asked"].map(|name| workdir.path(name));
        if !word.exists() {
            mkfifo(&word, Mode::S_IRWXU).unwrap();
        }
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = upgrade ]; then touch {}; read line < {}; fi\n{verdict}\n",
            asked.display(),
            word.display()
        );
        std::fs::rename(workdir.script("new", &script), workdir.path(BINARY)).unwrap();
        Self { word, asked }
    }

    /// SIGUSR2, until it has been asked.
    fn hesitate(&self, running: &Running) {
        running.signal(Signal::SIGUSR2);
        eventually("the question", || self.asked.exists());
        std::fs::remove_file(&self.asked).unwrap();
    }

    fn go_on(&self) {
        OpenOptions::new()
            .write(true)
            .open(&self.word)
            .unwrap()
            .write_all(b"\n")
            .unwrap();
    }
}

/// `lockgate reload`, which waits for what comes of it; goes on once it has been heard.
fn reload_later(workdir: &Workdir, running: &Running) -> Child {
    let heard = || running.log().matches("as soon as that is over").count();
    let before = heard();
    let reload = workdir.command(&["reload"]).spawn().unwrap();
    eventually("the reload", || heard() > before);
    assert_eq!(status(workdir)["reloading"], true);
    reload
}

fn exec_lockgate() -> String {
    format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_lockgate"))
}

/// A request that keeps its process busy until its body is complete.
fn unfinished(running: &Running) -> std::net::TcpStream {
    let mut request = running.connect();
    request
        .write_all(b"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{")
        .unwrap();
    eventually("the request", || {
        // Answered: so the one before it has been taken, too.
        running.get("/healthz") == "200"
    });
    request
}

fn finish(mut request: std::net::TcpStream) {
    request.write_all(b"}").unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

fn draining(workdir: &Workdir) {
    eventually("the drain", || status(workdir)["processes"][0]["state"] == "draining");
}

#[test]
fn a_stop_while_a_binary_is_asked_is_a_stop() {
    let workdir = Workdir::new();
    let mut running = start(&workdir);
    let request = unfinished(&running);
    let binary = Hesitant::install(&workdir, &exec_lockgate());
    binary.hesitate(&running);
    running.signal(Signal::SIGTERM);
    draining(&workdir);
    finish(request);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn nothing_is_begun_while_the_end_is_near() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let request = unfinished(&running);
    running.signal(Signal::SIGTERM);
    draining(&workdir);
    // It would take new processes, and they would serve on.
    workdir.write(
        "config.yml",
        &PLAIN.replace("rootdirectory: data", "rootdirectory: elsewhere"),
    );
    let reload = workdir.run(&["reload"]).expect(1);
    assert!(reload.stderr.contains("is being stopped"), "{}", reload.stderr);
    let upgrade = workdir.run(&["upgrade"]).expect(1);
    assert!(upgrade.stderr.contains("is being stopped"), "{}", upgrade.stderr);
    finish(request);
    eventually("the end", || !process::is_alive(running.pid()));
    assert!(!workdir.path("elsewhere").exists());
    drop(running);
}

#[test]
fn a_reload_while_a_binary_is_asked_is_done_afterwards() {
    let workdir = Workdir::new();
    let running = start(&workdir);
    let old = pids(&workdir);
    for (round, (verdict, generation)) in [("exit 3", 2), (exec_lockgate().as_str(), 3)].into_iter().enumerate() {
        let binary = Hesitant::install(&workdir, verdict);
        binary.hesitate(&running);
        let root = format!("root-{round}");
        workdir.make_root(&root);
        workdir.write(
            "config.yml",
            &PLAIN.replace("rootdirectory: data", &format!("rootdirectory: {root}")),
        );
        let mut reload = reload_later(&workdir, &running);
        assert_eq!(status(&workdir)["generation"], generation - 1);
        binary.go_on();
        eventually("new processes", || {
            let status = status(&workdir);
            status["generation"] == generation && status["replacing"] == false
        });
        assert!(
            workdir.path(&root).join("docker/registry/v2").exists(),
            "{}",
            running.log()
        );
        assert_eq!(running.get("/v2/"), "200");
        assert!(reload.wait().unwrap().success());
    }
    assert!(pids(&workdir).iter().all(|pid| !old.contains(pid)));
    // Nobody is left that nobody knows of.
    eventually("the end of the others", || children_of(&running) == 2);
}

fn children_of(running: &Running) -> usize {
    let pid = running.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().count()
}

#[test]
fn what_is_mended_while_it_is_tried_is_taken_up() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    // The new registry waits here for its accounts, and gives up when it gets too much of them.
    let pipe = workdir.path("pipe");
    mkfifo(&pipe, Mode::from_bits_truncate(0o666)).unwrap();
    std::fs::set_permissions(&pipe, std::fs::Permissions::from_mode(0o666)).unwrap();
    let broken = format!("{PLAIN}auth: {{htpasswd: {{realm: r, path: {}}}}}\n", pipe.display());
    workdir.write("config.yml", &broken);
    running.signal(Signal::SIGHUP);
    eventually("new processes", || status(&workdir)["replacing"] == true);
    workdir.write("config.yml", &(PLAIN.to_owned() + "  headers: {X-Told: [once]}\n"));
    let mut reload = reload_later(&workdir, &running);

    let mut accounts = OpenOptions::new().write(true).open(&pipe).unwrap();
    let _ = accounts.write_all(&vec![b'\n'; (16 << 20) + 1]);
    drop(accounts);
    assert!(reload.wait().unwrap().success());
    let answer = running.http("GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n");
    assert!(answer.to_lowercase().contains("x-told: once"), "{answer}");
    assert!(running.log().contains("larger than 16 MiB"), "{}", running.log());
    let status = status(&workdir);
    assert!(status["reload_error"].is_null(), "{status}");
    assert_eq!(status["generation"], 1);
}
