//! What is below `run/` is removed while it is in use, as programs that clean temporary directories do: it comes back,
//! and no request fails.

use std::fs;
use std::path::Path;

use lockgate_testkit::eventually;

use crate::harness::{Running, Workdir, ready_pid, status};

fn is_served(running: &Running) {
    for _ in 0..20 {
        // A connection of its own each: half of them need the registry's socket.
        assert_eq!(running.get("/v2/"), "200", "{}", running.log());
    }
}

fn is_back(path: &Path) {
    eventually(&format!("{} again", path.display()), || path.exists());
}

#[test]
fn the_registry_s_socket_comes_back_and_no_request_fails() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let socket = workdir.path("lockgate/run/registry.sock");
    for generation in [2, 3] {
        fs::remove_file(&socket).unwrap();
        is_served(&running);
        is_back(&socket);
        eventually("the next pair of processes", || {
            status(&workdir)["generation"] == generation
        });
        is_served(&running);
    }
    workdir.run(&["status"]).expect(0);
    running.logged("run/registry.sock was removed", 1);
}

#[test]
fn the_supervisor_s_own_files_come_back_while_the_children_stay() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let pids = ["proxy", "registry"].map(|process| ready_pid(&workdir, process));
    for name in ["lockgate.sock", "notify.sock", "lockgate.pid"] {
        let path = workdir.path("lockgate/run").join(name);
        fs::remove_file(&path).unwrap();
        is_back(&path);
    }
    workdir.run(&["status"]).expect(0);
    // Its answer comes over notify.sock.
    workdir.run(&["reload"]).expect(0);
    assert_eq!(pids, ["proxy", "registry"].map(|process| ready_pid(&workdir, process)));
    let second = workdir.run(&["start", "--config", "config.yml"]).expect(1);
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    is_served(&running);
    workdir.run(&["stop"]).expect(0);
}

#[test]
fn the_whole_directory_comes_back() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let before = workdir.mode("lockgate/run");
    fs::remove_dir_all(workdir.path("lockgate/run")).unwrap();
    is_served(&running);
    is_back(&workdir.path("lockgate/run/registry.sock"));
    is_back(&workdir.path("lockgate/run/lockgate.pid"));
    assert_eq!(workdir.mode("lockgate/run"), before);
    eventually("a ready registry", || workdir.run(&["status"]).code == Some(0));
    is_served(&running);
    workdir.run(&["stop"]).expect(0);
}

#[test]
fn nobody_is_told_meanwhile_that_it_does_not_run() {
    let workdir = Workdir::new();
    let _running = workdir.start_plain();
    let run = workdir.path("lockgate/run");
    let commands: [&[&str]; 4] = [
        &["status", "--probe", "live"],
        &["status", "--probe", "ready"],
        &["status"],
        &["reload"],
    ];
    for command in commands {
        fs::remove_file(run.join("lockgate.sock")).unwrap();
        workdir.run(command).expect(0);
        fs::remove_dir_all(&run).unwrap();
        workdir.run(command).expect(0);
        is_back(&run.join("registry.sock"));
    }
}
