//! Processes are replaced under load, by an upgrade and by a reload, and nobody notices.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use lockgate_testkit::{Client, address, client, eventually, process, sha256};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::harness::{PLAIN, Running, Workdir, ready_pid, status};

/// What the issue of a hand-over without loss asks for.
const REQUESTS: u64 = 20_000;
const CONNECTIONS: usize = 8;

/// Clients with keep-alive that send one request after the other, and count.
struct Load {
    answered: Arc<AtomicU64>,
    enough: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(address: &str) -> Self {
        let (answered, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let clients = (0..CONNECTIONS)
            .map(|_| {
                let (address, answered, enough) = (address.to_owned(), answered.clone(), enough.clone());
                std::thread::spawn(move || {
                    let mut failures = Vec::new();
                    while !enough.load(Ordering::Relaxed) {
                        if let Err(failure) = keep_alive(&address, &answered, &enough) {
                            failures.push(failure.to_string());
                        }
                    }
                    failures
                })
            })
            .collect();
        Self {
            answered,
            enough,
            clients,
        }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Until that many more were answered.
    fn go_on_for(&self, requests: u64) {
        let goal = self.answered() + requests;
        eventually("the load", || self.answered() >= goal);
    }

    /// Stops; every request was answered with 200.
    fn end(self) -> u64 {
        self.enough.store(true, Ordering::Relaxed);
        let failures: Vec<_> = self
            .clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect();
        assert!(failures.is_empty(), "{} failed: {:?}", failures.len(), failures.first());
        self.answered.load(Ordering::Relaxed)
    }
}

/// One connection, until the server says that it is the last answer. A connection that ends otherwise is a failure.
fn keep_alive(address: &str, answered: &AtomicU64, enough: &AtomicBool) -> std::io::Result<()> {
    let mut client = Client::over(client::connect(address)?);
    loop {
        let answer = client.try_send("GET", "/v2/", &[], b"")?;
        if answer.status != 200 {
            return Err(std::io::Error::other(format!("{answer:?}")));
        }
        answered.fetch_add(1, Ordering::Relaxed);
        if answer.header("connection") == "close" || enough.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

pub(crate) fn pids(workdir: &Workdir) -> [Pid; 2] {
    ["proxy", "registry"].map(|process| ready_pid(workdir, process))
}

pub(crate) fn nothing_leaves(workdir: &Workdir) {
    eventually("the end of the old processes", || {
        let status = status(workdir);
        let leaving = status["leaving"].as_array()?;
        (leaving.is_empty() && status["replacing"] == false).then_some(())
    });
}

#[test]
fn upgrades_under_load_fail_no_request_and_keep_the_pid() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let load = Load::start(&running.address);
    let before = load.answered();
    let mut old = pids(&workdir);
    for round in 1..=4 {
        load.go_on_for(REQUESTS / 8);
        if round % 2 == 0 {
            running.signal(Signal::SIGUSR2);
        } else {
            let said = workdir.run(&["upgrade"]).expect(0).stdout;
            assert!(said.contains(&format!("pid {}", running.pid())), "{said}");
        }
        eventually("the next generation", || status(&workdir)["generation"] == round + 1);
        let new = pids(&workdir);
        assert!(new.iter().all(|pid| !old.contains(pid)), "{old:?} {new:?}");
        load.go_on_for(REQUESTS / 8);
        nothing_leaves(&workdir);
        assert!(old.into_iter().all(|pid| !process::is_alive(pid)));
        old = new;
    }
    let sent = load.end() - before;
    assert!(sent >= REQUESTS, "{sent}");
    assert_eq!(status(&workdir)["pid"], running.pid().as_raw());
    assert!(!running.log().contains("ERROR"), "{}", running.log());
    for name in ["next.sock", "last.sock"] {
        assert!(!workdir.path("lockgate/run").join(name).exists(), "{name}");
    }
    let mut running = running;
    workdir.run(&["stop"]).expect(0);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn an_upload_in_progress_is_finished_by_the_old_processes() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let location = running.begin_upload();
    let mut upload = running.connect();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: r\r\nContent-Length: 200000\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    upload.write_all(head.as_bytes()).unwrap();
    upload.write_all(&[b'a'; 100_000]).unwrap();

    let old = pids(&workdir);
    workdir.run(&["upgrade"]).expect(0);
    assert_eq!(running.get("/v2/"), "200", "the new ones serve");
    let leaving = status(&workdir)["leaving"].as_array().unwrap().len();
    assert_eq!(leaving, 2, "both wait for the upload");

    upload.write_all(&[b'a'; 100_000]).unwrap();
    let answer = Client::over(upload).answer().unwrap();
    assert_eq!(answer.expect(202).header("connection"), "close");
    nothing_leaves(&workdir);
    assert!(old.into_iter().all(|pid| !process::is_alive(pid)));

    // The new registry goes on with what the old one wrote.
    let put = answer.location_with(&sha256([b'a'; 200_000]));
    running.client().send("PUT", &put, &[], b"").expect(201);
    assert!(!running.log().contains("ERROR"), "{}", running.log());
}

#[test]
fn old_processes_have_a_deadline_and_what_they_received_is_kept() {
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + "  handovertimeout: 1s\n"));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    let path = running.begin_upload();
    let mut upload = running.connect();
    let head = format!("PATCH {path} HTTP/1.1\r\nHost: r\r\nContent-Length: 600000\r\n\r\n");
    upload.write_all(head.as_bytes()).unwrap();
    upload.write_all(&[7; 300_000]).unwrap();
    eventually("some of it on the disk", || running.received(&path) > 0);

    let old = pids(&workdir);
    workdir.run(&["upgrade"]).expect(0);
    // Nobody sends the rest.
    nothing_leaves(&workdir);
    assert!(old.into_iter().all(|pid| !process::is_alive(pid)));
    let mut answer = String::new();
    let _ = upload.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    let kept = running.received(&path);
    assert!((1..=300_000).contains(&kept), "{kept}");
    assert_eq!(running.get("/v2/"), "200");
}

#[test]
fn the_binary_that_lies_there_takes_over_and_one_that_cannot_is_refused() {
    let workdir = Workdir::new();
    let first = workdir.install("lockgate-1");
    let link = workdir.path("bin");
    symlink(&first, &link).unwrap();
    let config = workdir.write("config.yml", PLAIN);
    let start = ["start", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let mut command = std::process::Command::new(&link);
    command.args(start).current_dir(workdir.path("."));
    let running = Running::of(command, &workdir.path("stderr"));
    let old = pids(&workdir);

    // Not ours at all, not executable, gone.
    let script = workdir.script("script", "#!/bin/sh\necho what is this >&2\nexit 3\n");
    for (wrong, said) in [
        (script, "what is this (exit code 3)"),
        (config.clone(), "denied"),
        (workdir.path("nothing"), "No such file"),
    ] {
        std::fs::remove_file(&link).unwrap();
        symlink(&wrong, &link).unwrap();
        let before = running.log().matches("not upgraded").count();
        running.signal(Signal::SIGUSR2);
        eventually("the refusal", || running.log().matches("not upgraded").count() > before);
        assert!(running.log().contains(said), "{said}: {}", running.log());
        assert_eq!(pids(&workdir), old);
        assert_eq!(running.get("/v2/"), "200");
    }

    // A configuration that it cannot run with.
    let broken = workdir.write("config.yml", &(PLAIN.to_owned() + "  nonsense: 1\n"));
    let mut upgrade = workdir.command(&["upgrade", "--config", broken.to_str().unwrap()]);
    let refused = crate::harness::Ran::of({
        upgrade.env("LOCKGATE_HOME", workdir.path("lockgate"));
        upgrade
    });
    assert!(refused.expect(1).stderr.contains("http.nonsense"));
    assert!(
        status(&workdir)["upgrade_error"]
            .as_str()
            .unwrap()
            .contains("http.nonsense")
    );
    assert_eq!(pids(&workdir), old);
    workdir.write("config.yml", PLAIN);

    // Which file a process of this kind runs from is root's to see, so the second binary tells it by itself.
    let (second, told) = (workdir.install("lockgate-2"), workdir.path("told"));
    let text = format!(
        "#!/bin/sh\necho \"$1\" >>{}\nexec {} \"$@\"\n",
        told.display(),
        second.display()
    );
    std::fs::remove_file(&link).unwrap();
    symlink(workdir.script("tells", &text), &link).unwrap();
    running.signal(Signal::SIGUSR2);
    eventually("its children", || status(&workdir)["generation"] == 2);
    assert_eq!(workdir.read("told"), "upgrade\nstart\n", "asked first, then started");
    assert!(pids(&workdir).iter().all(|pid| !old.contains(pid)));
    assert!(status(&workdir)["upgrade_error"].is_null());
    assert_eq!(running.get("/v2/"), "200");
}

/// Starts it with this configuration, whose address counts.
fn start_as_written(workdir: &Workdir, text: &str) -> Running {
    workdir.write("config.yml", text);
    let start = workdir.command(&["start", "--config", "config.yml"]);
    Running::of(start, &workdir.path("stderr"))
}

#[test]
fn a_reload_that_needs_new_processes_gets_them_without_a_failure() {
    // proves: MAKINA-16
    let workdir = Workdir::new();
    let (here, there) = (address::free_address(), address::free_address());
    let plain = PLAIN.replace("127.0.0.1:0", &here);
    let running = start_as_written(&workdir, &plain);
    let old = pids(&workdir);
    let load = Load::start(&running.address);
    load.go_on_for(100);
    workdir.make_root("elsewhere");
    workdir.write(
        "config.yml",
        &plain.replace("rootdirectory: data", "rootdirectory: elsewhere"),
    );
    let said = workdir.run(&["reload"]).expect(0).stderr;
    assert!(said.contains("storage.filesystem.rootdirectory"), "{said}");
    eventually("new processes", || status(&workdir)["generation"] == 2);
    load.go_on_for(100);
    load.end();
    nothing_leaves(&workdir);
    assert!(old.into_iter().all(|pid| !process::is_alive(pid)));
    assert!(workdir.path("elsewhere/docker/registry/v2").exists());

    // Another address: the new one is served, the old one is no longer.
    workdir.write("config.yml", &plain.replace(&here, &there));
    workdir.run(&["reload"]).expect(0);
    eventually("the new address", || TcpStream::connect(&there).ok());
    nothing_leaves(&workdir);
    assert!(TcpStream::connect(&here).is_err(), "nobody listens there any more");
    let url = status(&workdir)["url"].as_str().unwrap().to_owned();
    assert!(url.ends_with(there.rsplit(':').next().unwrap()), "{url}");

    // One that is in use is refused, and everything stays as it is.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    workdir.write("config.yml", &plain.replace(&here, &address));
    let refused = workdir.run(&["reload"]).expect(78).stderr;
    assert!(refused.contains("already in use"), "{refused}");
    assert_eq!(status(&workdir)["generation"], 3);
}

#[test]
fn new_processes_that_do_not_become_ready_leave_the_old_ones_serving() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let old = pids(&workdir);
    workdir.write("config.yml", &(PLAIN.to_owned() + "  docroot: nowhere\n"));
    let refused = workdir.run(&["reload"]).expect(78);
    assert!(refused.stderr.contains("http.docroot"), "{}", refused.stderr);
    let error = status(&workdir)["reload_error"].clone();
    assert!(error.as_str().unwrap().contains("http.docroot"), "{error}");
    assert_eq!(pids(&workdir), old);
    // The registry's socket leads to the old one again.
    for process in ["proxy", "registry"] {
        let pid = ready_pid(&workdir, process);
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
        assert_eq!(running.get("/v2/"), "200", "{}", running.log());
        eventually("another process", || ready_pid(&workdir, process) != pid);
    }
    workdir.write("config.yml", PLAIN);
    workdir.run(&["reload"]).expect(0);
    assert!(status(&workdir)["reload_error"].is_null());
}

#[test]
fn a_binary_that_can_start_nothing_new_goes_on_with_the_old_processes() {
    let workdir = Workdir::new();
    let here = address::free_address();
    let plain = PLAIN.replace("127.0.0.1:0", &here);
    let running = start_as_written(&workdir, &plain);
    let old = pids(&workdir);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    workdir.write("config.yml", &plain.replace(&here, &address));
    let refused = workdir.run(&["upgrade"]).expect(1).stderr;
    assert!(refused.contains("already in use"), "{refused}");
    assert_eq!(pids(&workdir), old);
    // They are looked after, with the configuration that they had.
    nix::sys::signal::kill(old[0], Signal::SIGKILL).unwrap();
    assert_eq!(running.get("/v2/"), "200", "{}", running.log());
    drop(taken);
    workdir.run(&["upgrade"]).expect(0);
    eventually("the new address", || TcpStream::connect(&address).ok());
    assert!(status(&workdir)["upgrade_error"].is_null());
}

#[test]
fn a_changed_file_is_taken_up_by_itself_and_a_broken_one_is_not() {
    // proves: MAKINA-16
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let told = || running.client().get("/v2/").header("x-told") == "once";
    workdir.write("config.yml", &(PLAIN.to_owned() + "  headers: {X-Told: [once]}\n"));
    eventually("the new header", told);
    workdir.write("config.yml", &(PLAIN.to_owned() + "  nonsense: 1\n"));
    eventually("the refusal", || {
        let status = status(&workdir);
        status["reload_error"].as_str()?.contains("http.nonsense").then_some(())
    });
    eventually("the line in the log", || running.log().contains("http.nonsense"));
    assert!(told(), "the old one goes on");
    workdir.write("config.yml", PLAIN);
    eventually("the old headers", || !told());
    assert!(status(&workdir)["reload_error"].is_null());
}

/// What the supervisor has that could leak.
#[derive(Debug, PartialEq)]
struct Possessions {
    descriptors: usize,
    threads: String,
}

impl Possessions {
    fn of(pid: Pid) -> Self {
        Self {
            // Each is root's to see; to others, a power of two that has room for all.
            descriptors: match std::fs::read_dir(format!("/proc/{pid}/fd")) {
                Ok(descriptors) => descriptors.count(),
                Err(_) => process::status(pid, "FDSize").parse().unwrap(),
            },
            threads: process::status(pid, "Threads"),
        }
    }
}

#[test]
fn replacing_processes_again_and_again_leaks_nothing() {
    const RELOADS: usize = 20;
    const UPGRADES: usize = 10;
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    ["data0", "data1"].iter().for_each(|root| workdir.make_root(root));
    let mut generation = 1;
    let mut replaced_by = |command: &str| {
        generation += 1;
        if command == "reload" {
            let root = format!("rootdirectory: data{}", generation % 2);
            workdir.write("config.yml", &PLAIN.replace("rootdirectory: data", &root));
        }
        workdir.run(&[command]).expect(0);
        eventually("the next generation", || status(&workdir)["generation"] == generation);
        nothing_leaves(&workdir);
    };
    // What is allocated once is there after one of each.
    replaced_by("upgrade");
    replaced_by("reload");
    let (before, memory) = (
        Possessions::of(running.pid()),
        process::memory_kib(running.pid(), "RssAnon"),
    );
    (0..UPGRADES).for_each(|_| replaced_by("upgrade"));
    // Counted from the last upgrade, which begins with a fresh memory.
    replaced_by("reload");
    let memory = memory.max(process::memory_kib(running.pid(), "RssAnon"));
    (0..RELOADS).for_each(|_| replaced_by("reload"));
    assert_eq!(Possessions::of(running.pid()), before);
    let now = process::memory_kib(running.pid(), "RssAnon");
    assert!(now <= memory + 512, "{memory} KiB, then {now} KiB");
    assert!(!running.log().contains("ERROR"), "{}", running.log());
}

#[test]
fn a_stop_during_a_hand_over_ends_old_and_new() {
    let workdir = Workdir::new();
    let mut running = workdir.start_plain();
    // Keeps an old proxy busy.
    let mut busy = running.connect();
    busy.write_all(b"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: r\r\nContent-Length: 100\r\n\r\n{")
        .unwrap();
    let old = pids(&workdir);
    workdir.run(&["upgrade"]).expect(0);
    let new = pids(&workdir);
    assert!(process::is_alive(old[0]));
    // Twice: the request in flight never ends.
    running.signal(Signal::SIGTERM);
    eventually("the drain", || running.log().contains("draining"));
    assert_eq!(running.insist(Signal::SIGTERM).code(), Some(0));
    assert!(old.into_iter().chain(new).all(|pid| !process::is_alive(pid)));
}
