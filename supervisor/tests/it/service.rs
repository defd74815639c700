//! `lockgate service`: what it prints, what it asks of systemd, in which order. `systemd` has the real one.

use std::path::PathBuf;
use std::process::{Command, Output};

use lockgate_testkit::require;

use crate::harness::{PLAIN, Ran, Workdir};

/// Tells what it was called with; `show` answers what the file `state` holds.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*" show "*) cat "$STATE" 2>/dev/null ;;
*"$FAIL"*) [ -z "$FAIL" ] || exit 5 ;;
esac
exit 0
"#;

/// A user's service manager that does nothing but note what it is told.
struct Noted {
    workdir: Workdir,
    fail: &'static str,
}

impl Noted {
    fn new() -> Self {
        let workdir = Workdir::new();
        workdir.script("bin/systemctl", SYSTEMCTL);
        workdir.write("runtime/systemd/private", "");
        workdir.write(
            "state",
            "ActiveState=active\nSubState=running\nMainPID=7\nUnitFileState=enabled\n",
        );
        Self { workdir, fail: "" }
    }

    fn service(&self, words: &[&str]) -> Ran {
        let mut command = self.workdir.command(&[&["service", "--user"], words].concat());
        let path = format!(
            "{}:{}",
            self.workdir.path("bin").display(),
            std::env::var("PATH").unwrap()
        );
        command
            .env("PATH", path)
            .env("CALLS", self.workdir.path("calls"))
            .env("STATE", self.workdir.path("state"))
            .env("FAIL", self.fail)
            .env("XDG_RUNTIME_DIR", self.workdir.path("runtime"))
            .env("XDG_CONFIG_HOME", self.workdir.path("config"));
        Ran::of(command)
    }

    /// What systemctl was told since the last time, without the options that are always there.
    fn calls(&self) -> Vec<String> {
        let path = self.workdir.path("calls");
        let calls = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        calls
            .lines()
            .map(|line| {
                line.replace("--user --no-pager --no-ask-password ", "")
                    .replace("--quiet ", "")
            })
            .filter(|line| !line.starts_with("show"))
            .collect()
    }

    fn unit(&self) -> PathBuf {
        self.workdir.path("config/systemd/user/lockgate.service")
    }
}

#[test]
fn verbs_are_done_in_order_and_the_first_failure_ends_them() {
    // proves: MOSI-18
    let mut noted = Noted::new();
    let ran = noted.service(&["install", "start", "status"]).expect(0);
    assert_eq!(
        noted.calls(),
        ["daemon-reload", "enable lockgate.service", "start lockgate.service"]
    );
    assert!(
        ran.stdout
            .contains("lockgate.service  active (running), pid 7; starts at boot"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("password") && ran.stdout.contains("enable-linger"),
        "{}",
        ran.stdout
    );
    assert!(
        noted.workdir.path("lockgate/config.yml").exists(),
        "set up before the first start"
    );

    noted.service(&["restart", "stop"]).expect(0);
    assert_eq!(noted.calls(), ["restart lockgate.service", "stop lockgate.service"]);

    noted.fail = "stop lockgate.service";
    let failed = noted.service(&["stop", "uninstall"]).expect(1);
    assert!(
        failed.stderr.starts_with("lockgate: service stop: systemctl stop"),
        "{}",
        failed.stderr
    );
    assert_eq!(noted.calls(), ["stop lockgate.service"]);
    assert!(noted.unit().exists(), "uninstall was not reached");

    noted.fail = "";
    noted.service(&["stop", "uninstall"]).expect(0);
    assert_eq!(
        noted.calls(),
        [
            "stop lockgate.service",
            "disable --now lockgate.service",
            "daemon-reload"
        ]
    );
    assert!(!noted.unit().exists());
    assert!(noted.workdir.path("lockgate/data").exists(), "data stays");
    for verb in ["start", "stop", "restart", "status"] {
        let ran = noted.service(&[verb]).expect(1);
        assert!(
            ran.stderr.contains("lockgate.service is not installed"),
            "{verb}: {}",
            ran.stderr
        );
    }
    noted.service(&["uninstall"]).expect(0);
    noted.service(&["install", "frobnicate"]).expect(2);
    assert_eq!(noted.calls(), [""; 0], "a line that makes no sense does nothing");
}

#[test]
fn a_service_that_does_not_run_is_no_success() {
    // proves: MOSI-18
    let noted = Noted::new();
    noted.service(&["install"]).expect(0);
    noted.workdir.write(
        "state",
        "ActiveState=failed\nSubState=failed\nMainPID=0\nStatusText=http.addr :443: no\n",
    );
    let ran = noted.service(&["status"]).expect(1);
    assert!(
        ran.stdout.contains("failed (failed)") && ran.stdout.contains("http.addr :443: no"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("lockgate.service does not run"), "{}", ran.stderr);
}

#[test]
fn installing_again_changes_nothing_and_an_edited_unit_stays() {
    // proves: MOSI-18
    let noted = Noted::new();
    noted.service(&["install"]).expect(0);
    let made = std::fs::read(noted.unit()).unwrap();
    let again = noted.service(&["install"]).expect(0);
    assert!(again.stdout.contains("unchanged:"), "{}", again.stdout);
    assert_eq!(std::fs::read(noted.unit()).unwrap(), made);

    let edited = String::from_utf8(made).unwrap().replace("RestartSec=2", "RestartSec=9");
    std::fs::write(noted.unit(), &edited).unwrap();
    let refused = noted.service(&["install"]).expect(1);
    for text in [
        "has been edited",
        "there: RestartSec=9",
        "wanted: RestartSec=2",
        "--force",
    ] {
        assert!(refused.stderr.contains(text), "{text}: {}", refused.stderr);
    }
    assert_eq!(std::fs::read_to_string(noted.unit()).unwrap(), edited);
    noted.service(&["install", "--force"]).expect(0);
    assert!(!std::fs::read_to_string(noted.unit()).unwrap().contains("RestartSec=9"));
}

#[test]
fn sockets_come_and_go_with_the_service() {
    let noted = Noted::new();
    noted.service(&["install"]).expect(0);
    noted.calls();
    noted.service(&["install", "--socket", "start"]).expect(0);
    assert_eq!(
        noted.calls(),
        [
            "daemon-reload",
            "enable lockgate.service",
            "enable lockgate.socket",
            "start lockgate.socket",
            "start lockgate.service"
        ]
    );
    noted.service(&["install"]).expect(0);
    assert_eq!(
        noted.calls(),
        [
            "disable --now lockgate.socket",
            "daemon-reload",
            "enable lockgate.service"
        ]
    );
}

#[test]
fn a_broken_configuration_is_not_installed() {
    let noted = Noted::new();
    let config = noted.workdir.write("config.yml", "version: 7\n");
    noted
        .service(&["install", "--config", config.to_str().unwrap()])
        .expect(78);
    assert!(!noted.unit().exists());
}

#[test]
fn without_systemd_it_says_so_and_still_prints() {
    // proves: MOSI-19
    let workdir = Workdir::new();
    let mut command = workdir.command(&["service", "--user", "install"]);
    command.env("XDG_RUNTIME_DIR", workdir.path("nothing"));
    let ran = Ran::of(command).expect(1);
    assert!(ran.stderr.contains("systemd does not run here"), "{}", ran.stderr);
    assert!(!workdir.path("lockgate").exists(), "nothing is made");
    let printed = workdir.run(&["service", "print"]).expect(0).stdout;
    assert!(
        printed.contains("Type=notify") && printed.contains("RestartPreventExitStatus=78"),
        "{printed}"
    );
    assert!(!workdir.path("lockgate").exists(), "nothing is made");
}

#[test]
fn the_units_please_systemd_whatever_the_paths_are_called() {
    // proves: MOSI-18, MOSI-19
    if !require(&["systemd-analyze"]) {
        return;
    }
    let workdir = Workdir::new();
    let home = "a home, 100% \"mine\" $HOME \\o/";
    let listen = ["setup", "--home", home, "--listen", "127.0.0.1:5443"];
    workdir.run(&listen).expect(0);
    for scope in ["--system", "--user"] {
        let units = units(
            &workdir
                .run(&["service", "print", "--socket", scope, "--home", home])
                .expect(0)
                .stdout,
        );
        assert_eq!(units.len(), 2);
        let mut paths = Vec::new();
        for (name, text) in &units {
            paths.push(workdir.write(&format!("{scope}/{name}"), text));
        }
        let said = verify(&paths, scope);
        assert!(said.status.success() && said.stderr.is_empty(), "{scope}: {said:?}");
        // It would not have been silent about a mistake.
        std::fs::write(&paths[0], units[0].1.replace("KillMode=mixed", "KillMode=often")).unwrap();
        assert!(!verify(&paths, scope).stderr.is_empty());
    }
}

fn verify(units: &[PathBuf], scope: &str) -> Output {
    // Nothing of this machine but what every unit refers to.
    Command::new("systemd-analyze")
        .args(["verify", "--man=no", scope])
        .args(units)
        .env("XDG_RUNTIME_DIR", "/tmp")
        .output()
        .unwrap()
}

/// What `print` shows, cut at the names.
fn units(text: &str) -> Vec<(String, String)> {
    let mut units: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(name) if name.starts_with("lockgate") => units.push((name.to_owned(), String::new())),
            _ => units.last_mut().unwrap().1 += &format!("{line}\n"),
        }
    }
    units
}

#[test]
fn the_sandbox_is_rated_well() {
    if !require(&["systemd-analyze"]) {
        return;
    }
    let workdir = Workdir::new();
    let text = workdir
        .run(&["service", "print", "--system", "--home", "/srv/lockgate"])
        .expect(0)
        .stdout;
    let unit = workdir.write("lockgate.service", &text);
    // In tenths: 100 is no protection.
    let rated = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=35"])
        .arg(unit)
        .output()
        .unwrap();
    assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
}

#[test]
fn paths_that_the_configuration_names_are_writable_and_the_drain_fits() {
    let workdir = Workdir::new();
    let text = PLAIN.replace("rootdirectory: data", "rootdirectory: /srv/my images")
        + "  draintimeout: 5m\nlog: {file: {directory: /var/log/lockgate}}\n";
    let config = workdir.write("config.yml", &text);
    let arguments = [
        "service",
        "print",
        "--system",
        "--home",
        "/srv/home",
        "--config",
        config.to_str().unwrap(),
    ];
    let printed = workdir.run(&arguments).expect(0).stdout;
    let expected = "ReadWritePaths=\"/srv/home\" -\"/srv/my images\" -\"/var/log/lockgate\"\n";
    assert!(printed.contains(expected), "{printed}");
    assert!(printed.contains("TimeoutStopSec=330\n"), "{printed}");
    let path = format!("\"--config\" \"{}\"\n", config.display());
    assert!(printed.contains(&path), "{printed}");
    // It lies below /tmp.
    assert!(!printed.contains("PrivateTmp"), "{printed}");
}

/// With what means something to XML.
const ODD_HOME: &str = "/srv/a & <b>";

fn definition(workdir: &Workdir, format: &str) -> String {
    let printed = workdir.run(&["service", "print", format, "--home", ODD_HOME]).expect(0);
    printed.stdout
}

#[test]
fn definitions_for_other_systems_say_where_it_runs() {
    // proves: MOSI-19
    let workdir = Workdir::new();
    for (format, needed) in [
        ("--launchd", ["ProgramArguments", "Linux container", "KeepAlive"]),
        ("--windows", ["wsl.exe", "Lockgate runs on Linux", "WinSW.exe install"]),
    ] {
        let printed = definition(&workdir, format);
        for text in needed.into_iter().chain(["/srv/a &amp; &lt;b&gt;"]) {
            assert!(printed.contains(text), "{text}: {printed}");
        }
    }
    workdir.run(&["service", "print", "--launchd", "--windows"]).expect(2);
}

#[test]
fn definitions_for_other_systems_are_well_formed() {
    // proves: MOSI-19
    if !require(&["python3"]) {
        return;
    }
    let workdir = Workdir::new();
    for (format, parser) in [
        (
            "--launchd",
            "import plistlib,sys; p = plistlib.load(open(sys.argv[1],'rb')); print(p['ProgramArguments'])",
        ),
        (
            "--windows",
            "import sys,xml.etree.ElementTree as e; print(e.parse(sys.argv[1]).find('startarguments').text)",
        ),
    ] {
        let file = workdir.write(format.trim_matches('-'), &definition(&workdir, format));
        let parsed = Command::new("python3").args(["-c", parser]).arg(file).output().unwrap();
        let text = String::from_utf8_lossy(&parsed.stdout).into_owned();
        let error = String::from_utf8_lossy(&parsed.stderr);
        assert!(text.contains(ODD_HOME), "{text} {error}");
    }
}
