//! What running processes take up, without dropping a connection.

use std::io::Write;
use std::process::Stdio;

use lockgate_testkit::{Answer, Client, basic_auth, eventually};
use nix::sys::signal::{Signal, kill};

use crate::harness::{PLAIN, Ran, Workdir, ready_pid, status};

/// A connection that is kept.
struct Kept(Client);

impl Kept {
    /// What `account` is answered; panics when the connection is closed.
    fn ask(&mut self, method: &str, path: &str, account: &str) -> Answer {
        let authorization = basic_auth(&format!("{account}:secret"));
        self.0.send(method, path, &[("Authorization", &authorization)], b"")
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
    let mut kept = Kept(running.client());
    let push = "/v2/app/blobs/uploads/";
    assert!(kept.ask("POST", push, "alice").status == 202);
    assert!(kept.ask("GET", "/v2/", "bob").status == 401);
    let reload = |text: String| {
        workdir.write("config.yml", &text);
        workdir.run(&["reload"]).expect(0)
    };

    // Accounts: the file alone is enough.
    add_user(&workdir, "bob");
    eventually("the new account", || kept.ask("GET", "/v2/", "bob").status == 200);
    // Headers.
    reload(config("  headers: {X-Told: [once]}\n", "", ""));
    eventually("the header", || {
        kept.ask("GET", "/v2/", "alice").header("x-told") == "once"
    });
    // Rights.
    let rules = ", acl: [{match: {account: alice}, actions: [pull]}]";
    reload(config("", rules, ""));
    eventually("the rule", || kept.ask("POST", push, "alice").status / 10 == 40);
    reload(config("", "", ""));
    eventually("no rule", || kept.ask("POST", push, "alice").status == 202);
    // Limits: what is open stays, what comes is told.
    reload(config("  limits: {maxconnections: 1}\n", "", ""));
    eventually("the limit", || running.get("/v2/") == "503");
    assert!(kept.ask("GET", "/v2/", "alice").status == 200);
    reload(config("", "", ""));
    eventually("no limit", || running.get("/v2/") == "401");
    // Levels.
    let lines = |mark: &str| running.log().matches(mark).count();
    kept.ask("GET", "/v2/loud/tags/list", "alice");
    eventually("a line in the log", || lines("/v2/loud/") > 0);
    reload(config("", "", "log: {level: error}\n"));
    eventually("silence", || {
        let before = lines("/v2/quiet/");
        kept.ask("GET", "/v2/quiet/tags/list", "alice");
        lines("/v2/quiet/") == before
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
    let mut kept = Kept(running.client());

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
        kept.ask("GET", "/v2/", "alice").header("x-told") == "before"
    });
    // One that comes back comes back with what is in force.
    kill(old[1], Signal::SIGKILL).unwrap();
    eventually("another registry", || pids()[1] != old[1]);
    assert!(kept.ask("GET", "/v2/", "alice").status == 200);

    workdir.write("config.yml", &config("auth/htpasswd", "mended"));
    workdir.run(&["reload"]).expect(0);
    assert!(
        kept.ask("GET", "/v2/", "alice").header("x-told") == "mended",
        "in force when it is said to be"
    );
    assert!(status(&workdir)["reload_error"].is_null());
}
