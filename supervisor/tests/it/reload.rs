//! What running processes take up, without dropping a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};

use crate::harness::{PATIENCE, PLAIN, Ran, Running, Workdir, eventually, ready_pid, status};

/// A connection that is kept.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(running: &Running) -> Self {
        let stream = running.connect();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Head of the answer, in lower case; panics when the connection is closed.
    fn ask(&mut self, method: &str, path: &str, account: &str) -> String {
        let basic = STANDARD.encode(format!("{account}:secret"));
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: r\r\nAuthorization: Basic {basic}\r\nContent-Length: 0\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                self.0.read_line(&mut head).unwrap(),
                0,
                "the connection was dropped: {head}"
            );
        }
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        std::io::copy(&mut self.0.by_ref().take(length.unwrap_or(0)), &mut std::io::sink()).unwrap();
        head
    }
}

fn add_user(workdir: &Workdir, name: &str) {
    let mut command = workdir.command(&["user", "add", name, "--password-stdin", "--config", "config.yml"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"secret").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn everything_that_can_change_in_place_does_so_on_an_open_connection() {
    // proves: MAKINA-16
    let workdir = Workdir::new();
    let accounts = "auth: {htpasswd: {realm: r, path: htpasswd}";
    let config = |http: &str, auth: &str, log: &str| format!("{PLAIN}{http}{accounts}{auth}}}\n{log}");
    workdir.write("htpasswd", "");
    let path = workdir.write("config.yml", &config("", "", ""));
    add_user(&workdir, "alice");
    let running = workdir.start(&["--config", path.to_str().unwrap()]);
    let pids = ["proxy", "registry"].map(|process| ready_pid(&workdir, process));
    let mut kept = Kept::open(&running);
    let push = "/v2/app/blobs/uploads/";
    assert!(kept.ask("POST", push, "alice").starts_with("http/1.1 202"));
    assert!(kept.ask("GET", "/v2/", "bob").starts_with("http/1.1 401"));
    let reload = |text: String| {
        workdir.write("config.yml", &text);
        workdir.run(&["reload"]).expect(0)
    };

    // Accounts: the file alone is enough.
    add_user(&workdir, "bob");
    eventually("the new account", || {
        kept.ask("GET", "/v2/", "bob").starts_with("http/1.1 200").then_some(())
    });
    // Headers.
    reload(config("  headers: {X-Told: [once]}\n", "", ""));
    eventually("the header", || {
        kept.ask("GET", "/v2/", "alice").contains("x-told: once").then_some(())
    });
    // Rights.
    let rules = ", acl: [{match: {account: alice}, actions: [pull]}]";
    reload(config("", rules, ""));
    eventually("the rule", || {
        kept.ask("POST", push, "alice").starts_with("http/1.1 40").then_some(())
    });
    reload(config("", "", ""));
    eventually("no rule", || {
        kept.ask("POST", push, "alice")
            .starts_with("http/1.1 202")
            .then_some(())
    });
    // Limits: what is open stays, what comes is told.
    reload(config("  limits: {maxconnections: 1}\n", "", ""));
    eventually("the limit", || (running.get("/v2/") == "503").then_some(()));
    assert!(kept.ask("GET", "/v2/", "alice").starts_with("http/1.1 200"));
    reload(config("", "", ""));
    eventually("no limit", || (running.get("/v2/") == "401").then_some(()));
    // Levels.
    let lines = |mark: &str| running.log().matches(mark).count();
    kept.ask("GET", "/v2/loud/tags/list", "alice");
    eventually("a line in the log", || (lines("/v2/loud/") > 0).then_some(()));
    reload(config("", "", "log: {level: error}\n"));
    eventually("silence", || {
        let before = lines("/v2/quiet/");
        kept.ask("GET", "/v2/quiet/tags/list", "alice");
        (lines("/v2/quiet/") == before).then_some(())
    });

    assert_eq!(["proxy", "registry"].map(|process| ready_pid(&workdir, process)), pids);
    assert_eq!(status(&workdir)["generation"], 1, "nothing was replaced");
    let _: Ran = workdir.run(&["status"]).expect(0);
}

#[test]
fn what_a_process_refuses_is_in_force_nowhere_and_said() {
    // proves: MAKINA-16
    let workdir = Workdir::new();
    let config = |accounts: &str, header: &str| {
        format!("{PLAIN}  headers: {{X-Told: [{header}]}}\nauth: {{htpasswd: {{realm: r, path: {accounts}}}}}\n")
    };
    workdir.write("auth/htpasswd", "");
    let path = workdir.write("config.yml", &config("auth/htpasswd", "before"));
    add_user(&workdir, "alice");
    let running = workdir.start(&["--config", path.to_str().unwrap()]);
    let pids = || ["proxy", "registry"].map(|process| ready_pid(&workdir, process));
    let old = pids();
    let mut kept = Kept::open(&running);

    // Only the registry looks into the file, and the proxy has no reason to refuse.
    std::fs::create_dir(workdir.path("auth/elsewhere")).unwrap();
    workdir.write("config.yml", &config("auth/elsewhere", "after"));
    let refused = workdir.run(&["reload"]).expect(78);
    assert!(refused.stderr.contains("auth/elsewhere"), "{}", refused.stderr);
    let told = status(&workdir)["reload_error"].clone();
    assert!(told.as_str().unwrap().contains("registry: auth"), "{told}");
    assert!(workdir.run(&["status"]).expect(3).stdout.contains("auth/elsewhere"));
    running.logged("the old configuration goes on: registry: ", 1);
    eventually("the header of before", || {
        kept.ask("GET", "/v2/", "alice")
            .contains("x-told: before")
            .then_some(())
    });
    // One that comes back comes back with what is in force.
    kill(old[1], Signal::SIGKILL).unwrap();
    eventually("another registry", || (pids()[1] != old[1]).then_some(()));
    assert!(kept.ask("GET", "/v2/", "alice").starts_with("http/1.1 200"));

    workdir.write("config.yml", &config("auth/htpasswd", "mended"));
    workdir.run(&["reload"]).expect(0);
    assert!(
        kept.ask("GET", "/v2/", "alice").contains("x-told: mended"),
        "in force when it is said to be"
    );
    assert!(status(&workdir)["reload_error"].is_null());
}
