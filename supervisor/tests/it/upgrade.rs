//! Binaries, files and moments that an upgrade can go wrong by: whatever they are, what served serves on.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::hand_over::pids;
use crate::harness::{PLAIN, Running, Sandbox, eventually, status};

/// What `status` says of the last upgrade, once it says so.
fn refusal(sandbox: &Sandbox, about: &str) -> String {
    eventually(&format!("a refusal about {about:?}"), || {
        let status = status(sandbox);
        let error = status["upgrade_error"].as_str()?;
        error.contains(about).then(|| error.to_owned())
    })
}

#[test]
fn a_program_that_only_ends_well_is_no_upgrade() {
    let sandbox = Sandbox::new();
    let binary = sandbox.path("bin");
    std::fs::copy(env!("CARGO_BIN_EXE_lockgate"), &binary).unwrap();
    let config = sandbox.write("config.yml", PLAIN);
    let mut command = std::process::Command::new(&binary);
    command
        .args(["start", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()])
        .current_dir(sandbox.path("."));
    let running = Running::of(command, &sandbox.path("stderr"));
    let old = pids(&sandbox);
    let refused = |text: &str, said: &str| {
        let new = sandbox.write("new", text);
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, &binary).unwrap();
        running.signal(Signal::SIGUSR2);
        refusal(&sandbox, said);
        assert_eq!(pids(&sandbox), old);
        assert_eq!(running.get("/v2/"), "200");
    };
    refused("#!/bin/sh\nexit 0\n", "is no lockgate that can take over");
    refused("neither program nor script", "Exec format error");
    refused("#!/bin/sh\nexec sleep 0\n", "is no lockgate");
    // What is not even there is said as well.
    std::fs::remove_file(&binary).unwrap();
    running.signal(Signal::SIGUSR2);
    refusal(&sandbox, "No such file");
}

#[test]
fn a_binary_is_asked_whether_it_understands_the_running_command_line() {
    let sandbox = Sandbox::new();
    let config = sandbox.write("config.yml", PLAIN);
    let ask = |started: &[&str]| {
        let all = [
            &["upgrade", "--accepts", "1", "--config", config.to_str().unwrap(), "--"],
            started,
        ];
        sandbox.run(&all.concat())
    };
    assert!(!ask(&["start", "--listen", ":443"]).expect(0).stdout.is_empty());
    ask(&[]).expect(0);
    let refused = ask(&["start", "--of-tomorrow"]).expect(2);
    assert!(
        refused.stderr.contains("--of-tomorrow") && refused.stdout.is_empty(),
        "{}",
        refused.stderr
    );
    let older = sandbox.run(&["upgrade", "--accepts", "0", "--config", config.to_str().unwrap()]);
    assert!(older.expect(1).stderr.contains("protocol"));
}
