//! Homes in odd places: deep down, with a name that is no text, on a system without /proc.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use lockgate_testkit::{Client, eventually, require, require_root};
use nix::sys::signal::{Signal, kill};

use crate::harness::{PLAIN, Ran, Running, Workdir};

/// `sha256` of nothing.
const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A directory below the workdir with a path of more than 200 bytes.
fn deep(workdir: &Workdir) -> PathBuf {
    let mut deep = workdir.path("");
    while deep.as_os_str().len() < 200 {
        deep.push("builds-of-the-department");
    }
    std::fs::create_dir_all(&deep).unwrap();
    deep
}

/// Starts in a home of this path, on a free port, without TLS.
fn start(workdir: &Workdir, home: &str) -> Running {
    let config = workdir.write("config.yml", PLAIN);
    let config = config.to_str().unwrap();
    let arguments = ["start", "--config", config, "--home", home, "--listen", "127.0.0.1:0"];
    Running::of(workdir.command(&arguments), &workdir.path("stderr"))
}

#[test]
fn a_deep_home_serves_reloads_restarts_and_stops() {
    let workdir = Workdir::new();
    let home = deep(&workdir).join("lockgate");
    let home = home.to_str().unwrap();
    assert!(home.len() > 200);
    let mut running = start(&workdir, home);

    // A push as a client makes it, and the pull.
    let upload = running.begin_upload();
    let put = running.http(&format!(
        "PUT {upload}?digest={EMPTY} HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    assert!(put.starts_with("HTTP/1.1 201"), "{put}");
    assert_eq!(running.get(&format!("/v2/a/blobs/{EMPTY}")), "200");

    let status = workdir.run(&["status", "--home", home]).expect(0);
    assert!(status.stdout.contains("proxy       ready"), "{}", status.stdout);
    let second = workdir
        .run(&[
            "start",
            "--config",
            "config.yml",
            "--home",
            home,
            "--listen",
            "127.0.0.1:0",
        ])
        .expect(1);
    assert!(
        second.stderr.contains("in use by a running lockgate"),
        "{}",
        second.stderr
    );

    // Another address for debugging needs new processes: a second registry beside the first, then in its place.
    workdir.write("config.yml", &format!("{PLAIN}  debug: {{addr: '127.0.0.1:0'}}\n"));
    workdir.run(&["reload", "--home", home]).expect(0);
    assert_eq!(running.get("/v2/"), "200");

    workdir.run(&["stop", "--home", home]).expect(0);
    assert_eq!(running.wait().code(), Some(0));
    workdir.run(&["status", "--home", home]).expect(1);
}

#[test]
fn a_deep_home_is_taken_over_after_a_crash() {
    let workdir = Workdir::new();
    let home = deep(&workdir).join("lockgate");
    let home = home.to_str().unwrap();
    let running = start(&workdir, home);
    running.signal(Signal::SIGKILL);
    drop(running);
    for name in ["registry.sock", "notify.sock", "lockgate.sock"] {
        assert!(
            PathBuf::from(home).join("run").join(name).exists(),
            "{name} stays behind"
        );
    }
    let running = start(&workdir, home);
    assert_eq!(running.get("/v2/"), "200");
}

#[test]
fn each_process_alone_speaks_over_a_socket_deep_down() {
    let workdir = Workdir::new();
    let directory = deep(&workdir);
    let socket = directory.join("registry.sock");
    let debug = directory.join("debug.sock");
    let text = PLAIN.replace("127.0.0.1:0", &format!("unix:{}", socket.display()));
    workdir.write(
        "config.yml",
        &format!("{text}  debug: {{addr: 'unix:{}'}}\n", debug.display()),
    );
    let mut registry = workdir
        .command(&["registry", "--config", "config.yml"])
        .stderr(std::fs::File::create(workdir.path("stderr")).unwrap())
        .spawn()
        .unwrap();
    for (socket, path) in [(&socket, "/v2/"), (&debug, "/debug/health")] {
        let answer = eventually("an answer", || {
            // By way of the directory: the name is too long for an address.
            let directory = std::fs::File::open(socket.parent()?).ok()?;
            let way = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&directory));
            let stream = UnixStream::connect(PathBuf::from(way).join(socket.file_name()?)).ok()?;
            Client::over(stream).try_send("GET", path, &[], b"").ok()
        });
        answer.expect(200);
    }
    kill(nix::unistd::Pid::from_raw(registry.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(registry.wait().unwrap().code(), Some(0));

    let name = "n".repeat(120);
    workdir.write("config.yml", &PLAIN.replace("127.0.0.1:0", &format!("unix:{name}")));
    let ran = workdir.run(&["registry", "--config", "config.yml"]).expect(1);
    assert!(ran.stderr.contains("too long for a Unix socket"), "{}", ran.stderr);
}

/// One line, before anything is made.
fn refused(workdir: &Workdir, command: Command, code: i32, words: &str) {
    let ran = Ran::of(command).expect(code);
    assert_eq!(
        (ran.stderr.lines().count(), ran.stdout.as_str()),
        (1, ""),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    let left: Vec<_> = std::fs::read_dir(workdir.path("")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_home_whose_name_is_no_text_is_refused_at_once() {
    let workdir = Workdir::new();
    let home = workdir.path("").join(OsString::from_vec(b"caf\xe9".to_vec()));
    for command in ["start", "setup"] {
        let mut named = workdir.command(&[command, "--listen", "127.0.0.1:0", "--home"]);
        named.arg(&home);
        refused(
            &workdir,
            named,
            78,
            "the name of this place is not UTF-8; choose another with --home",
        );
        let mut by_config = workdir.command(&[command, "--listen", "127.0.0.1:0", "--config"]);
        by_config.arg(home.join("config.yml"));
        refused(&workdir, by_config, 78, "choose another with --config");
    }
    // A variable that cannot be read is not passed over, or another home would be made.
    for name in ["LOCKGATE_HOME", "REGISTRY_AUTH_HTPASSWD_PATH"] {
        let mut by_variable = workdir.command(&["start", "--listen", "127.0.0.1:0"]);
        by_variable.env(name, &home);
        refused(&workdir, by_variable, 78, &format!("{name}: its value is not UTF-8"));
    }
}

#[test]
fn without_proc_one_line_says_what_is_missing() {
    if !require_root() || !require(&["unshare", "umount"]) {
        return;
    }
    let workdir = Workdir::new();
    let own = workdir.command(&["start", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", "umount -l /proc && exec \"$0\" \"$@\""])
        .arg(own.get_program())
        .args(own.get_args())
        .current_dir(workdir.path(""));
    refused(&workdir, command, 1, "/proc is not there; mount it");
}
