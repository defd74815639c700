//! As PID 1: nobody else reaps, and signals have no default action.

use std::process::{Command, Stdio};

use lockgate_testkit::{eventually, require, require_root};
use nix::sys::signal::{Signal, kill};

use crate::harness::{PLAIN, Ran, Running, Workdir, ready_pid};

/// The program as PID 1 of a PID namespace, after `before` in a shell that it replaces.
fn as_pid_one(workdir: &Workdir, before: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("{before} exec \"$0\" \"$@\"");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script]);
    command
        .arg(env!("CARGO_BIN_EXE_lockgate"))
        .args(["start", "--config", "config.yml", "--listen", "127.0.0.1:0"]);
    command.current_dir(workdir.path(".")).stdin(Stdio::null());
    command
}

#[test]
fn it_reaps_orphans_and_hears_signals() {
    if !require_root() || !require(&["unshare"]) {
        return;
    }
    let workdir = Workdir::new();
    workdir.write("config.yml", PLAIN);
    // An orphan: its parent, a shell, is gone before it ends itself; then it is PID 1's to reap.
    let orphan = "sh -c 'sh -c \"echo begun > orphan; exec sleep 0.2\" &';";
    let mut running = Running::of(as_pid_one(&workdir, orphan), &workdir.path("stderr"));
    assert_eq!(running.get("/v2/"), "200");
    assert!(workdir.path("orphan").exists());
    let one = children_of(running.pid().as_raw())[0];
    eventually("only the two processes below PID 1", || children_of(one).len() == 2);

    // Its own children are still told apart, restarted, and ended in order.
    let proxy = children_of(one)[0];
    kill(nix::unistd::Pid::from_raw(proxy), Signal::SIGKILL).unwrap();
    eventually("another proxy", || {
        children_of(one).len() == 2 && !children_of(one).contains(&proxy)
    });
    ready_pid(&workdir, "proxy");
    kill(nix::unistd::Pid::from_raw(one), Signal::SIGTERM).unwrap();
    assert_eq!(running.wait().code(), Some(0));
    Ran::of(workdir.command(&["status"])).expect(1);
}

/// Children of a process, zombies among them.
fn children_of(pid: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}
