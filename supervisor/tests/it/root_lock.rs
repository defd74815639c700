//! One instance serves a data directory.

use nix::sys::signal::Signal;

use crate::harness::{Ran, Running, Workdir, ready_pid};

/// `start` with the same configuration, but a home of its own.
fn second(workdir: &Workdir) -> std::process::Command {
    workdir.command(&[
        "start",
        "--config",
        "config.yml",
        "--home",
        "second",
        "--listen",
        "127.0.0.1:0",
    ])
}

// proves: SECURE-11
#[test]
fn a_second_instance_is_told_who_serves_its_data_and_ends() {
    let workdir = Workdir::new();
    let mut first = workdir.start_plain();
    let registry = ready_pid(&workdir, "registry");
    for command in [
        second(&workdir),
        workdir.command(&["registry", "--config", "config.yml"]),
    ] {
        let ran = Ran::of(command).expect(78);
        let holder = format!("(pid {}, says ", first.pid());
        assert!(
            ran.stderr.contains(&holder) && ran.stderr.contains("data/lockgate.lock"),
            "{}",
            ran.stderr
        );
        assert_eq!(
            ran.stderr.matches("another running instance").count(),
            1,
            "{}",
            ran.stderr
        );
    }
    assert!(
        !workdir.path("second/run/registry.sock").exists(),
        "nothing is left running"
    );
    assert_eq!(
        (first.get("/v2/").as_str(), ready_pid(&workdir, "registry")),
        ("200", registry)
    );
    first.signal(Signal::SIGTERM);
    first.wait();
    let second = Running::of(second(&workdir), &workdir.path("second.stderr"));
    assert_eq!(second.get("/v2/"), "200");
}

// proves: SECURE-11
#[test]
fn one_that_only_reads_goes_on_beside_it() {
    let workdir = Workdir::new();
    let first = workdir.start_plain();
    let text = workdir.read("config.yml");
    let reads = text.replace("storage:\n", "storage:\n  maintenance: {readonly: {enabled: true}}\n");
    assert_ne!(reads, text);
    workdir.write("config.yml", &reads);
    let second = Running::of(second(&workdir), &workdir.path("second.stderr"));
    assert_eq!(
        (first.get("/v2/"), second.get("/v2/")),
        ("200".to_owned(), "200".to_owned())
    );
    assert!(second.log().contains("only reads it"), "{}", second.log());
}
