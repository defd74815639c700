//! The service under a real systemd: booted in namespaces of its own, with a copy of `/etc` and a network of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lockgate_testkit::{eventually, require, require_root};

use crate::harness::{Ran, Workdir};

/// Nothing of the machine's own is started, and nothing of it can be changed: its files are read-only in here, `/etc` is
/// a copy, what else is written is empty, and the only units are stubs. Booting the machine's units would clear `/tmp`.
const BOOT: &str = r#"
set -eu
mount --make-rprivate /
mkdir "$STATE/etc"
mount -t tmpfs tmpfs "$STATE/etc"
cp -a /etc/. "$STATE/etc"
mount -o remount,bind,ro /
mount --bind "$STATE/etc" /etc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
for directory in /run /srv /var/lib /var/tmp; do mount -t tmpfs tmpfs "$directory"; done
mkdir -p /srv/bin /run/lock /run/systemd/system.conf.d
touch /srv/bin/lockgate
mount --bind "$PROGRAM" /srv/bin/lockgate
mount -t tmpfs tmpfs /tmp
cd /
rm -rf /etc/systemd/system
mkdir /etc/systemd/system
for target in sysinit basic shutdown sockets multi-user network-online nothing; do
    printf '[Unit]\nDefaultDependencies=no\n' >"/etc/systemd/system/$target.target"
done
printf '[Manager]\nDefaultStandardOutput=inherit\nDefaultStandardError=inherit\n' >/run/systemd/system.conf.d/output.conf
ip link set lo up
export container=test SYSTEMD_LOG_TARGET=console SYSTEMD_UNIT_PATH=/etc/systemd/system
exec /usr/lib/systemd/systemd --system --unit=nothing.target --show-status=0
"#;

/// A machine's service manager; ended, with all that it started, when dropped.
struct Systemd {
    workdir: Workdir,
    /// `unshare`, whose child is the first process of the namespaces.
    child: Child,
    groups: Vec<PathBuf>,
}

impl Systemd {
    /// `None`, said loudly, where it cannot be.
    fn boot() -> Option<Self> {
        let programs = [
            "systemctl",
            "unshare",
            "nsenter",
            "mount",
            "ip",
            "bash",
            "getent",
            "curl",
        ];
        if !require_root() || !require(&programs) {
            return None;
        }
        let workdir = Workdir::new();
        let name = workdir.path("");
        let groups = groups(&format!("lockgate-{}", name.file_name().unwrap().to_string_lossy()));
        // Joined before the namespaces are made: then each is the root of what is seen inside.
        let join: String = groups
            .iter()
            .map(|group| format!("echo $$ >{}/cgroup.procs\n", group.display()))
            .collect();
        let enter =
            "exec unshare --mount --pid --fork --mount-proc --cgroup --uts --ipc --net --kill-child bash -c \"$BOOT\"";
        let log = std::fs::File::create(workdir.path("systemd.log")).unwrap();
        let child = Command::new("bash")
            .args(["-c", &format!("set -e\n{join}{enter}")])
            .env("BOOT", BOOT)
            .env("STATE", workdir.path(""))
            .env("PROGRAM", env!("CARGO_BIN_EXE_lockgate"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let systemd = Self { workdir, child, groups };
        eventually("systemd, which says why in systemd.log", || {
            systemd.inside(&["systemctl", "is-system-running"]).stdout == "running\n"
        });
        Some(systemd)
    }

    /// Runs a command inside, to its end.
    fn inside(&self, words: &[&str]) -> Ran {
        let unshare = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap_or_default();
        let Some(first) = children.split_whitespace().next() else {
            return Ran {
                code: None,
                stdout: String::new(),
                stderr: "nobody is there".into(),
            };
        };
        let mut command = Command::new("nsenter");
        command
            .args(["--target", first, "--all", "--"])
            .args(words)
            .stdin(Stdio::null());
        Ran::of(command)
    }

    fn lockgate(&self, words: &[&str]) -> Ran {
        self.inside(&[&["/srv/bin/lockgate"], words].concat())
    }

    fn service(&self, verbs: &[&str]) -> Ran {
        self.lockgate(&[&["service"], verbs, &["--home", HOME]].concat())
    }

    /// The status of an answer of the registry.
    fn answer(&self) -> String {
        let url = "https://localhost/v2/";
        self.inside(&["curl", "-sk", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", url])
            .stdout
    }

    fn property(&self, name: &str) -> String {
        self.inside(&["systemctl", "show", "--value", "--property", name, "lockgate.service"])
            .stdout
            .trim()
            .to_owned()
    }

    fn log(&self) -> String {
        self.workdir.read("systemd.log")
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // Its child is killed with it, and with that everything in the namespace of processes.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for group in &self.groups {
            let gone = || !group.exists() || remove(group).is_ok();
            for _ in 0..500 {
                if gone() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
}

/// With a space and what means something to systemd.
const HOME: &str = "/srv/my registry 100%";

/// A group of processes for systemd, in each hierarchy that it wants: cgroups(7).
fn groups(name: &str) -> Vec<PathBuf> {
    let roots = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
    let groups: Vec<_> = roots
        .into_iter()
        .filter(|root| root.join("cgroup.procs").exists())
        .map(|root| root.join(name))
        .collect();
    for group in &groups {
        std::fs::create_dir_all(group).unwrap();
    }
    groups
}

fn remove(group: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    std::fs::remove_dir(group)
}

#[test]
fn installed_started_watched_reloaded_and_removed_by_a_real_systemd() {
    // proves: MOSI-18
    let Some(systemd) = Systemd::boot() else { return };
    let ran = systemd.service(&["install", "start", "status"]);
    assert_eq!(ran.code, Some(0), "{}\n{}\n{}", ran.stdout, ran.stderr, systemd.log());
    for text in ["system accounts", "password  ", "active (running)", "starts at boot"] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
    assert_eq!(systemd.answer(), "401");
    assert_eq!(systemd.property("StatusText"), "serving");
    let password = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("password  "))
        .unwrap();
    let password = password.split(' ').next().unwrap();
    assert!(!systemd.log().contains(password), "told to a person, not to the log");
    systemd
        .inside(&["getent", "passwd", "lockgate-proxy", "lockgate-registry"])
        .expect(0);

    // A reload that is refused is told to systemd, and changes nothing.
    let pid = systemd.property("MainPID");
    systemd.inside(&["systemctl", "reload", "lockgate"]).expect(0);
    let config = format!("{HOME}/config.yml");
    systemd.inside(&["cp", "-p", &config, "/srv/good.yml"]).expect(0);
    systemd.inside(&["sh", "-c", "echo '{' >>\"$0\"", &config]).expect(0);
    assert_ne!(systemd.inside(&["systemctl", "reload", "lockgate"]).code, Some(0));
    assert_eq!(
        (systemd.answer().as_str(), systemd.property("MainPID")),
        ("401", pid.clone())
    );

    // Started again after a crash; a configuration that makes no sense is no reason to try for ever.
    systemd.inside(&["cp", "-p", "/srv/good.yml", &config]).expect(0);
    systemd.inside(&["kill", "-9", &pid]).expect(0);
    eventually("another supervisor", || {
        let other = systemd.property("MainPID");
        other != pid && other != "0" && systemd.property("ActiveState") == "active"
    });
    assert_eq!(systemd.answer(), "401");
    systemd.inside(&["sh", "-c", "echo '{' >>\"$0\"", &config]).expect(0);
    let failed = systemd.service(&["restart", "status"]).expect(1);
    assert!(
        failed.stderr.contains("service restart: systemctl restart"),
        "{}",
        failed.stderr
    );
    assert_eq!(
        (systemd.property("ExecMainStatus"), systemd.property("ActiveState")),
        ("78".into(), "failed".into())
    );
    systemd.inside(&["cp", "-p", "/srv/good.yml", &config]).expect(0);
    systemd.service(&["start"]).expect(0);

    systemd.service(&["stop", "uninstall"]).expect(0);
    assert_eq!(systemd.property("LoadState"), "not-found");
    systemd.service(&["status"]).expect(1);
    systemd.inside(&["test", "-e", &config]).expect(0);
}

#[test]
fn a_hung_supervisor_is_replaced_and_one_that_is_upgraded_is_not() {
    let Some(systemd) = Systemd::boot() else { return };
    systemd.service(&["install"]).expect(0);
    let drop_in = "mkdir /etc/systemd/system/lockgate.service.d && printf '[Service]\\nWatchdogSec=2\\n' \
        >/etc/systemd/system/lockgate.service.d/fast.conf && systemctl daemon-reload";
    systemd.inside(&["sh", "-c", drop_in]).expect(0);
    let ran = systemd.service(&["start"]);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stderr, systemd.log());
    let pid = systemd.property("MainPID");
    systemd.lockgate(&["upgrade", "--home", HOME]).expect(0);
    assert_eq!(
        (systemd.property("MainPID"), systemd.property("ActiveState")),
        (pid.clone(), "active".into())
    );
    assert_eq!(systemd.answer(), "401");

    systemd.inside(&["kill", "-STOP", &pid]).expect(0);
    eventually("another supervisor", || {
        let other = systemd.property("MainPID");
        other != pid && other != "0" && systemd.property("ActiveState") == "active"
    });
    assert_eq!(systemd.answer(), "401");
}

#[test]
fn with_a_socket_unit_not_even_a_restart_refuses() {
    let Some(systemd) = Systemd::boot() else { return };
    systemd.service(&["install", "--socket", "start", "status"]).expect(0);
    let restarts = std::thread::scope(|scope| {
        let restarting = scope.spawn(|| (0..3).for_each(|_| drop(systemd.service(&["restart"]).expect(0))));
        let mut answers = 0;
        while !restarting.is_finished() {
            assert_eq!(systemd.answer(), "401");
            answers += 1;
        }
        restarting.join().unwrap();
        answers
    });
    assert!(restarts > 0);
    systemd.inside(&["systemctl", "stop", "lockgate.service"]).expect(0);
    assert_eq!(systemd.answer(), "401", "a connection starts a stopped service");
    systemd.service(&["stop", "uninstall"]).expect(0);
    assert_eq!(systemd.answer(), "000");
}

/// Everything lies where a package would put it, the certificate as certbot does, and a blob takes the whole way.
const ELSEWHERE: &str = r#"
set -eu
mkdir -p /srv/etc /etc/letsencrypt/archive /etc/letsencrypt/live/localhost
chmod 700 /etc/letsencrypt/archive /etc/letsencrypt/live
/srv/bin/lockgate cert new --self-signed --name localhost --out /etc/letsencrypt/archive/localhost
for file in registry.crt registry.key; do
    ln -s ../../archive/localhost/$file /etc/letsencrypt/live/localhost/$file
done
cat >/srv/etc/config.yml <<END
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/images}}
log: {file: {directory: /var/lib/log}}
auth: {htpasswd: {realm: test, path: /srv/etc/accounts/htpasswd}}
http:
  addr: :443
  tls: {certificate: /etc/letsencrypt/live/localhost/registry.crt, key: /etc/letsencrypt/live/localhost/registry.key}
END
echo secret-of-anna | /srv/bin/lockgate user add anna --password-stdin --config /srv/etc/config.yml --home "$0"
"#;

const PUSH_AND_PULL: &str = r#"
set -eu
digest=sha256:$(printf content | sha256sum | cut -d' ' -f1)
ask() { curl -sSkf --user anna:secret-of-anna "$@"; }
ask -H 'Content-Type: application/octet-stream' --data-binary content \
    "https://localhost/v2/app/blobs/uploads/?digest=$digest"
ask "https://localhost/v2/app/blobs/$digest"
"#;

#[test]
fn a_service_is_confined_and_uses_what_lies_elsewhere() {
    let Some(systemd) = Systemd::boot() else { return };
    systemd.inside(&["sh", "-c", ELSEWHERE, HOME]).expect(0);
    let service = |verbs: &[&str]| systemd.service(&[verbs, &["--config", "/srv/etc/config.yml"]].concat());
    let ran = service(&["install", "start"]);
    assert_eq!(ran.code, Some(0), "{}\n{}\n{}", ran.stdout, ran.stderr, systemd.log());
    let pulled = systemd.inside(&["sh", "-c", PUSH_AND_PULL]);
    assert_eq!(pulled.stdout, "content", "{}\n{}", pulled.stderr, systemd.log());
    systemd
        .inside(&["test", "-d", "/var/lib/images/docker/registry/v2/repositories/app"])
        .expect(0);
    for process in ["proxy", "registry"] {
        let log = format!("/var/lib/log/{process}.log");
        let log = systemd.inside(&["cat", &log]).expect(0).stdout;
        assert!(log.contains("confined: user ") && !log.contains("user 0,"), "{log}");
        assert!(log.contains("own files alone"), "{log}");
    }
    service(&["stop", "uninstall"]).expect(0);
}
