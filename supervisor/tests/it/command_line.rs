//! What the command line says about itself.

use crate::harness::Workdir;

const COMMANDS: [&str; 11] = [
    "start", "setup", "check", "status", "reload", "stop", "cert", "user", "registry", "proxy", "service",
];

#[test]
fn version_and_help_and_help_of_each_command() {
    // proves: MOSI-17, SECURE-01
    let workdir = Workdir::new();
    let version = workdir.run(&["--version"]).expect(0);
    assert_eq!(version.stdout, format!("lockgate {}\n", env!("CARGO_PKG_VERSION")));
    let help = workdir.run(&["--help"]).expect(0);
    for command in COMMANDS {
        assert!(
            help.stdout.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}: {}",
            help.stdout
        );
        let own = workdir.run(&[command, "--help"]).expect(0);
        assert!(own.stdout.contains("Usage: lockgate "), "{command}: {}", own.stdout);
        assert!(
            !own.stdout.contains("--supervised"),
            "{command} shows what is no person's business"
        );
    }
}

#[test]
fn what_makes_no_sense_is_answered_with_the_usage() {
    // proves: MOSI-17
    let workdir = Workdir::new();
    for arguments in [
        &["frobnicate"][..],
        &["start", "--frob"],
        &["start", "--listen", "nowhere"],
        &["user"],
    ] {
        let ran = workdir.run(arguments).expect(2);
        assert!(
            ran.stderr.contains("Usage: lockgate") || ran.stderr.contains("--help"),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(ran.stdout.is_empty());
    }
    assert!(!workdir.path("lockgate").exists(), "nothing was set up");
}

#[test]
fn questions_to_nobody() {
    let workdir = Workdir::new();
    let status = workdir.run(&["status"]).expect(1);
    assert!(status.stderr.contains("not running"), "{}", status.stderr);
    let reload = workdir.run(&["reload"]).expect(1);
    assert!(reload.stderr.contains("not running"), "{}", reload.stderr);
    let stop = workdir.run(&["stop"]).expect(0);
    assert!(stop.stdout.contains("not running"), "{}", stop.stdout);
}
