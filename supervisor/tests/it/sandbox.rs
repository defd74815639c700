//! What a process that runs may still do, asked from inside; what it holds, read from outside.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use lockgate_testkit::{eventually, process, require, require_root};
use nix::errno::Errno;
use nix::libc::{O_CREAT, O_RDONLY, O_WRONLY};
use nix::unistd::Pid;

use crate::harness::{Running, Workdir, ready_pid};
use crate::inside::Inside;

const BLOBS: &str = "lockgate/data/docker/registry/v2/blobs";
const REPOSITORIES: &str = "lockgate/data/docker/registry/v2/repositories";

/// Makes everything readable and writable for everybody, so that Landlock alone is in the way; and a manifest's link.
fn open_to_all(workdir: &Workdir) {
    workdir.write(&format!("{REPOSITORIES}/a/link"), "a link");
    workdir.write(&format!("{BLOBS}/blob"), "a blob");
    let mut paths = vec![workdir.path("lockgate")];
    while let Some(path) = paths.pop() {
        let is_directory = path.is_dir();
        if is_directory {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        if !path.ends_with("run") && path.metadata().is_ok_and(|found| found.is_file() || is_directory) {
            fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        }
    }
}

#[track_caller]
fn refused(what: &str, done: std::io::Result<()>, errno: Errno) {
    let error = done.expect_err(what);
    assert_eq!(error.raw_os_error(), Some(errno as i32), "{what}: {error}");
}

/// Landlock's answer is EACCES whatever the modes are.
fn assert_walls(workdir: &Workdir, running: &Running) {
    open_to_all(workdir);
    let outsider = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = outsider.local_addr().unwrap().port();
    let common = ["config.yml", "password", "ca/ca.key", "run/lockgate.pid"];
    let processes = [
        (
            "proxy",
            ["auth/htpasswd", "auth/token.key"],
            ["tls/registry.key", "tls/ca.crt"],
        ),
        (
            "registry",
            ["tls/registry.key", "tls/registry.crt"],
            ["auth/htpasswd", "auth/token.key"],
        ),
    ];
    for (process, others, own) in processes {
        let inside = Inside::of(ready_pid(workdir, process));
        let home = |path: &str| workdir.path("lockgate").join(path);
        for path in common.iter().chain(&others) {
            refused(
                &format!("{process} {path}"),
                inside.open(&home(path), O_RDONLY),
                Errno::EACCES,
            );
        }
        for path in ["/etc/passwd", "/proc/1/environ", "/proc/cpuinfo"] {
            refused(
                &format!("{process} {path}"),
                inside.open(&PathBuf::from(path), O_RDONLY),
                Errno::EACCES,
            );
        }
        for path in own {
            inside
                .open(&home(path), O_RDONLY)
                .unwrap_or_else(|error| panic!("{process} {path}: {error}"));
            refused(
                &format!("{process} {path}"),
                inside.open(&home(path), O_WRONLY),
                Errno::EACCES,
            );
        }
        for path in ["config.yml", "new", "run/new", "tls/new", "auth/new"] {
            let opened = inside.open(&home(path), O_WRONLY | O_CREAT);
            refused(&format!("{process} {path}"), opened, Errno::EACCES);
        }
        refused(
            process,
            inside.open(&workdir.path("new"), O_WRONLY | O_CREAT),
            Errno::EACCES,
        );
        refused(process, inside.connect(port), Errno::EACCES);
        refused(process, inside.may_signal(running.pid()), Errno::EPERM);
        assert_eq!(inside.umask(), 0o077, "{process}");
        let (blob, link) = (
            workdir.path(BLOBS).join("blob"),
            workdir.path(REPOSITORIES).join("a/link"),
        );
        inside.open(&blob, O_RDONLY).unwrap();
        if process == "registry" {
            inside.open(&link, O_RDONLY).unwrap();
            inside.open(&blob, O_WRONLY).unwrap();
        } else {
            refused(process, inside.open(&link, O_RDONLY), Errno::EACCES);
            refused(process, inside.open(&blob, O_WRONLY), Errno::EACCES);
            let new = workdir.path(BLOBS).join("new");
            refused(process, inside.open(&new, O_WRONLY | O_CREAT), Errno::EACCES);
        }
    }
    // Whoever was looked into serves on.
    ready_pid(workdir, "proxy");
    running.connect();
}

#[test]
fn from_inside_each_process_what_is_not_its_own_cannot_be_opened() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let running = workdir.start(&[]);
    assert_walls(&workdir, &running);
    let log = running.logged("confined: user", 2);
    assert_eq!(
        log.matches("confined: user").count(),
        2,
        "one line for each process: {log}"
    );
    assert!(log.contains("Landlock ABI"), "{log}");
}

#[test]
fn a_normal_user_has_the_same_walls() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let running = start_as(&workdir, 4_242);
    for process in ["proxy", "registry"] {
        assert_eq!(
            process::status(ready_pid(&workdir, process), "Uid"),
            "4242 4242 4242 4242"
        );
    }
    assert_walls(&workdir, &running);
}

/// A copy of the program, where that user can get at it.
fn start_as(workdir: &Workdir, user: u32) -> Running {
    chown(workdir.path(""), Some(user), Some(user)).unwrap();
    let mut command = Command::new(workdir.install("program"));
    command
        .args(["start", "--listen", "127.0.0.1:0"])
        .current_dir(workdir.path(""))
        .uid(user)
        .gid(user);
    Running::of(command, &workdir.path("stderr"))
}

#[test]
fn each_process_runs_as_a_user_of_its_own_and_can_gain_nothing() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let running = workdir.start(&[]);
    assert_confined(&workdir, &running);
    // Also by another binary: what was given up does not come back with it.
    let before = ready_pid(&workdir, "proxy");
    workdir.run(&["upgrade"]).expect(0);
    eventually("the new proxy", || ready_pid(&workdir, "proxy") != before);
    assert_confined(&workdir, &running);
}

fn assert_confined(workdir: &Workdir, running: &Running) {
    let (proxy, registry) = (ready_pid(workdir, "proxy"), ready_pid(workdir, "registry"));
    assert_eq!(process::status(running.pid(), "Uid"), "0 0 0 0");
    let (one, other) = (process::status(proxy, "Uid"), process::status(registry, "Uid"));
    assert_ne!(one, other);
    assert!(!one.contains("0 0") && !other.contains("0 0"), "{one}, {other}");
    assert_eq!(process::status(proxy, "Gid"), process::status(registry, "Gid"));
    for pid in [proxy, registry] {
        assert_eq!(process::status(pid, "Groups"), "");
        assert_eq!(process::status(pid, "CapEff"), "0000000000000000");
        assert_eq!(process::status(pid, "CapPrm"), "0000000000000000");
    }
    // CHOWN 0, DAC_READ_SEARCH 2, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10, and no way to get another.
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(process::status(running.pid(), set), "00000000000004e5", "{set}");
    }
    for pid in [running.pid(), proxy, registry] {
        assert_eq!(process::status(pid, "NoNewPrivs"), "1");
        assert_eq!(process::status(pid, "Umask"), "0077");
        assert_eq!(process::status(pid, "CapInh"), "0000000000000000");
        assert_eq!(process::status(pid, "CapAmb"), "0000000000000000");
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
        // A process that leaves no core file shows its memory to root alone.
        assert_eq!(fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid(), 0);
    }
}

#[test]
fn new_processes_are_confined_to_the_directories_of_a_new_configuration() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let running = workdir.start(&[]);
    let pids = || (ready_pid(&workdir, "proxy"), ready_pid(&workdir, "registry"));
    let before = pids();
    let accounts = workdir.write("lockgate/other/htpasswd", &workdir.read("lockgate/auth/htpasswd"));
    fs::set_permissions(accounts.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&accounts, Permissions::from_mode(0o644)).unwrap();
    refused("before", Inside::of(before.1).open(&accounts, O_RDONLY), Errno::EACCES);

    let config = workdir.read("lockgate/config.yml");
    fs::write(
        workdir.path("lockgate/config.yml"),
        config.replace("level: info", "level: debug"),
    )
    .unwrap();
    workdir.run(&["reload"]).expect(0);
    assert_eq!(pids(), before, "nothing to confine anew");
    fs::write(
        workdir.path("lockgate/config.yml"),
        config.replace("path: auth/htpasswd", "path: other/htpasswd"),
    )
    .unwrap();
    workdir.run(&["reload"]).expect(0);
    eventually("new processes", || pids().1 != before.1);
    Inside::of(pids().1).open(&accounts, O_RDONLY).unwrap();
    running.connect();
}

#[test]
fn the_proxy_holds_no_password_and_the_registry_no_tls_key() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let _running = workdir.start(&[]);
    let (proxy, registry) = (ready_pid(&workdir, "proxy"), ready_pid(&workdir, "registry"));
    let hash = workdir
        .read("lockgate/auth/htpasswd")
        .trim()
        .rsplit('$')
        .next()
        .unwrap()
        .to_owned();
    let password = workdir.read("lockgate/password").trim().to_owned();
    let token_key = pem_body(&workdir.read("lockgate/auth/token.key"));
    let tls_key = pem_body(&workdir.read("lockgate/tls/registry.key"));
    for (name, secret) in [("hash", &hash), ("password", &password), ("token key", &token_key)] {
        assert!(!holds(proxy, secret.as_bytes()), "the proxy holds the {name}");
    }
    let scalar = private_scalar(&tls_key);
    let reversed: Vec<u8> = scalar.iter().rev().copied().collect();
    for key in [tls_key.as_bytes(), &scalar, &reversed] {
        assert!(!holds(registry, key), "the registry holds the TLS key");
    }
    // That which they do hold is found by the same search.
    assert!(holds(registry, hash.as_bytes()), "the registry knows the accounts");
    assert!(
        holds(proxy, &scalar) || holds(proxy, &reversed),
        "the proxy has the key that it signs with"
    );
    for (pid, never) in [(proxy, "auth/"), (registry, "tls/")] {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
            assert!(!target.to_string_lossy().contains(never), "{target:?} is open");
        }
    }
}

/// The first line of base64.
fn pem_body(pem: &str) -> String {
    pem.lines().find(|line| !line.starts_with('-')).unwrap().to_owned() + pem.lines().nth(2).unwrap()
}

/// RFC 5915: the 32 bytes of a P-256 key, after an OCTET STRING's head.
fn private_scalar(base64: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits: Vec<u8> = base64
        .bytes()
        .flat_map(|byte| (0..6).rev().map(move |bit| digit(byte) >> bit & 1))
        .collect();
    let der: Vec<u8> = bits
        .chunks_exact(8)
        .map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit))
        .collect();
    let at = der.windows(2).position(|head| head == [0x04, 0x20]).unwrap() + 2;
    der[at..at + 32].to_vec()
}

/// Whether `secret` is anywhere in the memory of a process, its arguments and environment included.
fn holds(pid: Pid, secret: &[u8]) -> bool {
    assert!(secret.len() >= 16);
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let ranges = maps
        .lines()
        .filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with('r')));
    ranges
        .filter_map(|line| {
            let (start, end) = line.split(' ').next()?.split_once('-')?;
            Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
        })
        .any(|(start, end)| {
            let mut bytes = vec![0; (end - start) as usize];
            memory.read_exact_at(&mut bytes, start).is_ok() && contains(&bytes, secret)
        })
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes
        .split_inclusive(|byte| *byte == wanted[0])
        .scan(0, |at, piece| {
            *at += piece.len();
            Some(*at - 1)
        })
        .any(|at| bytes[at..].starts_with(wanted))
}

#[test]
fn a_kernel_without_landlock_is_told_of_and_served_on() {
    if !require_root() || !require(&["strace"]) {
        return;
    }
    let workdir = Workdir::new();
    let mut command = workdir.command(&["start", "--listen", "127.0.0.1:0"]);
    let mut traced = Command::new("strace");
    // The tracer is a grandchild, so that the pid is the server's.
    traced
        .args([
            "-D",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "--seccomp-bpf",
            "-e",
            "trace=landlock_create_ruleset",
        ])
        .args(["-e", "inject=landlock_create_ruleset:error=ENOSYS"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(workdir.path(""));
    command = traced;
    let running = Running::of(command, &workdir.path("stderr"));
    let line = "other files are NOT out of its reach: this kernel has no Landlock";
    let log = running.logged(line, 2);
    assert_eq!(log.matches(line).count(), 2, "{log}");
    running.connect();
    // Users of their own keep them apart all the same.
    assert_ne!(
        process::status(ready_pid(&workdir, "proxy"), "Uid"),
        process::status(ready_pid(&workdir, "registry"), "Uid")
    );
}
