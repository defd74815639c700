//! What cannot be used is said once, where it is and what it is; nothing is left running.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use lockgate_testkit::{require, require_root};
use nix::unistd::geteuid;

use crate::harness::{PLAIN, Ran, Workdir};

const TLS: &str = "  tls: {certificate: my.crt, key: my.key}\n";
/// The copy of the program for nobody.
const PROGRAM: &str = "program/lockgate";
const NOBODY: u32 = 65534;
const ACCOUNTS: &str = "auth: {htpasswd: {realm: r, path: htpasswd}}\n";

impl Workdir {
    /// As user nobody, to whom modes mean something; the workdir is theirs.
    fn as_nobody(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        if geteuid().is_root() {
            // The program where they can reach it.
            command = Command::new(self.path(PROGRAM));
            command.args(arguments).current_dir(self.path(""));
            command.uid(NOBODY).gid(NOBODY);
        }
        Ran::of(command)
    }

    fn give_to_nobody(&self) {
        if geteuid().is_root() {
            self.install(PROGRAM);
            let given = Command::new("chown")
                .args(["-R", &format!("{NOBODY}:{NOBODY}")])
                .arg(self.path(""))
                .status();
            assert!(given.unwrap().success());
        }
    }

    fn set_mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// One message, and nobody left who serves.
#[track_caller]
fn says(workdir: &Workdir, ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    let messages: Vec<_> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("lockgate: "))
        .collect();
    assert_eq!(messages.len(), 1, "{}", ran.stderr);
    for word in words {
        assert!(messages[0].contains(word), "{word}: {}", ran.stderr);
    }
    assert!(
        left(&workdir.path("")).is_empty(),
        "left running: {:?}",
        left(&workdir.path(""))
    );
}

/// Processes that have `directory` in their command line or work in it.
fn left(directory: &Path) -> Vec<String> {
    let name = directory.to_str().unwrap().trim_end_matches('/');
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|process| process.join("cmdline").exists())
        .filter_map(|process| {
            let line = std::fs::read_to_string(process.join("cmdline")).unwrap_or_default();
            let cwd = std::fs::read_link(process.join("cwd")).unwrap_or_default();
            let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
            let lives = !stat.contains(") Z ") && (line.contains("lockgate"));
            (lives && (line.contains(name) || cwd.starts_with(name))).then_some(line)
        })
        .collect()
}

fn configured(more: &str) -> (Workdir, String) {
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + more));
    workdir.set_mode("", 0o755);
    (workdir, config.to_str().unwrap().to_owned())
}

#[test]
fn an_unreadable_or_wrong_key_is_said() {
    let (workdir, config) = configured(TLS);
    for name in ["a", "b"] {
        workdir
            .run(&["cert", "new", "--out", name, "--name", "localhost"])
            .expect(0);
    }
    std::fs::copy(workdir.path("a/registry.crt"), workdir.path("my.crt")).unwrap();
    std::fs::copy(workdir.path("b/registry.key"), workdir.path("my.key")).unwrap();
    let ran = workdir.run(&["start", "--config", &config]);
    says(&workdir, &ran, 78, &["my.key", "my.crt"]);

    std::fs::copy(workdir.path("a/registry.key"), workdir.path("my.key")).unwrap();
    workdir.give_to_nobody();
    workdir.set_mode("my.key", 0o000);
    let ran = workdir.as_nobody(&["start", "--config", &config]);
    says(&workdir, &ran, 78, &["my.key", "ermission denied"]);
}

#[test]
fn an_unreadable_configuration_or_file_of_accounts_is_said() {
    let (workdir, config) = configured(ACCOUNTS);
    workdir.write("htpasswd", "");
    workdir.give_to_nobody();
    workdir.set_mode("htpasswd", 0o000);
    let ran = workdir.as_nobody(&["start", "--config", &config]);
    says(&workdir, &ran, 78, &["htpasswd", "ermission denied"]);

    workdir.set_mode("config.yml", 0o000);
    let ran = workdir.as_nobody(&["start", "--config", &config]);
    says(&workdir, &ran, 78, &["config.yml", "ermission denied"]);
}

#[test]
fn directories_that_cannot_be_written_are_said() {
    let (workdir, config) = configured("");
    workdir.directory("data");
    workdir.give_to_nobody();
    workdir.set_mode("data", 0o555);
    let ran = workdir.as_nobody(&["start", "--config", &config]);
    assert!([Some(1), Some(78)].contains(&ran.code), "{}", ran.stderr);
    says(&workdir, &ran, ran.code.unwrap(), &["data", "ermission denied"]);

    workdir.set_mode("", 0o555);
    let ran = workdir.as_nobody(&["start", "--config", &config, "--home", "home"]);
    says(&workdir, &ran, 1, &["home", "ermission denied"]);
    workdir.set_mode("", 0o755);
}

#[test]
fn root_is_told_of_a_file_system_that_is_read_only() {
    if !require_root() || !require(&["unshare", "mount"]) {
        return;
    }
    let (workdir, config) = configured("");
    workdir.directory("data");
    let data = workdir.path("data");
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let own = workdir.command(&["start", "--config", &config]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(&data);
    command
        .arg(own.get_program())
        .args(own.get_args())
        .current_dir(workdir.path(""));
    let ran = Ran::of(command);
    says(
        &workdir,
        &ran,
        ran.code.filter(|code| *code == 78).unwrap_or(1),
        &["data", "ead-only file system"],
    );
}

#[test]
fn a_port_in_use_is_said_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (workdir, config) = configured(&format!("  tls: {{auto: {{}}}}\n  redirecthttps: \"{address}\"\n"));
    let ran = workdir.run(&["start", "--config", &config]);
    says(
        &workdir,
        &ran,
        1,
        &[&format!("http.redirecthttps {address}: already in use")],
    );
}

#[test]
fn too_few_descriptors_are_said_and_the_others_are_used() {
    let (workdir, config) = configured("");
    let script = "ulimit -S -n 128; ulimit -H -n 600; exec \"$0\" \"$@\"";
    let own = workdir.command(&["start", "--config", &config, "--listen", "127.0.0.1:0"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(own.get_program())
        .args(own.get_args())
        .current_dir(workdir.path(""));
    let running = crate::harness::Running::of(command, &workdir.path("stderr"));
    let warning = "http.limits.maxconnections = 10000, ";
    let log = running.logged(warning, 1);
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    for process in ["proxy", "registry"] {
        let pid = crate::harness::ready_pid(&workdir, process);
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let soft = line.split_whitespace().nth(3).unwrap();
        assert_eq!(soft, "600", "{process}");
    }
}
