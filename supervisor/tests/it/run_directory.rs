//! What is below `run/` is removed while it is in use, as programs that clean temporary directories do: it comes back,
//! and no request fails.

use std::fs;
use std::path::Path;

use crate::harness::{Running, Sandbox, eventually, ready_pid, status};

fn is_served(running: &Running) {
    for _ in 0..20 {
        // A connection of its own each: half of them need the registry's socket.
        assert_eq!(running.get("/v2/"), "200", "{}", running.log());
    }
}

fn is_back(path: &Path) {
    eventually(&format!("{} again", path.display()), || path.exists().then_some(()));
}

#[test]
fn the_registry_s_socket_comes_back_and_no_request_fails() {
    let sandbox = Sandbox::new();
    let running = sandbox.start_plain();
    let socket = sandbox.path("lockgate/run/registry.sock");
    for generation in [2, 3] {
        fs::remove_file(&socket).unwrap();
        is_served(&running);
        is_back(&socket);
        eventually("the next pair of processes", || {
            (status(&sandbox)["generation"] == generation).then_some(())
        });
        is_served(&running);
    }
    sandbox.run(&["status"]).expect(0);
    running.logged("run/registry.sock was removed", 1);
}

#[test]
fn the_supervisor_s_own_files_come_back_while_the_children_stay() {
    let sandbox = Sandbox::new();
    let running = sandbox.start_plain();
    let pids = ["proxy", "registry"].map(|process| ready_pid(&sandbox, process));
    for name in ["lockgate.sock", "notify.sock", "lockgate.pid"] {
        let path = sandbox.path("lockgate/run").join(name);
        fs::remove_file(&path).unwrap();
        is_back(&path);
    }
    sandbox.run(&["status"]).expect(0);
    // Its answer comes over notify.sock.
    sandbox.run(&["reload"]).expect(0);
    assert_eq!(pids, ["proxy", "registry"].map(|process| ready_pid(&sandbox, process)));
    let second = sandbox.run(&["start", "--config", "config.yml"]).expect(1);
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    is_served(&running);
    sandbox.run(&["stop"]).expect(0);
}

#[test]
fn the_whole_directory_comes_back() {
    let sandbox = Sandbox::new();
    let running = sandbox.start_plain();
    let before = sandbox.mode("lockgate/run");
    fs::remove_dir_all(sandbox.path("lockgate/run")).unwrap();
    is_served(&running);
    is_back(&sandbox.path("lockgate/run/registry.sock"));
    is_back(&sandbox.path("lockgate/run/lockgate.pid"));
    assert_eq!(sandbox.mode("lockgate/run"), before);
    eventually("a ready registry", || {
        (sandbox.run(&["status"]).code == Some(0)).then_some(())
    });
    is_served(&running);
    sandbox.run(&["stop"]).expect(0);
}

#[test]
fn nobody_is_told_meanwhile_that_it_does_not_run() {
    let sandbox = Sandbox::new();
    let _running = sandbox.start_plain();
    let run = sandbox.path("lockgate/run");
    let commands: [&[&str]; 4] = [
        &["status", "--probe", "live"],
        &["status", "--probe", "ready"],
        &["status"],
        &["reload"],
    ];
    for command in commands {
        fs::remove_file(run.join("lockgate.sock")).unwrap();
        sandbox.run(command).expect(0);
        fs::remove_dir_all(&run).unwrap();
        sandbox.run(command).expect(0);
        is_back(&run.join("registry.sock"));
    }
}
