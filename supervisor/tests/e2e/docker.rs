//! `docker login`, `push`, `rmi`, `pull`, `run`, with the old engine and with the present one.

use super::support::engine::{self, Engine, Generation};
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};

// proves: MOSI-05, MOSI-12, SECURE-16, TOY-06, HOMELAB-11, TRUST-07
#[test]
fn old_engine_through_the_host_name() {
    round_trip_through_the_host_name(Generation::Old);
}

// proves: MOSI-05, MOSI-12, SECURE-16, TOY-06, HOMELAB-11, TRUST-07
#[test]
fn present_engine_through_the_host_name() {
    round_trip_through_the_host_name(Generation::Present);
}

#[test]
fn old_engine_through_localhost_without_trust() {
    round_trip_through_localhost(Generation::Old);
}

#[test]
fn present_engine_through_localhost_without_trust() {
    round_trip_through_localhost(Generation::Present);
}

fn round_trip_through_the_host_name(generation: Generation) {
    let Some((machine, engine)) = engine::in_machine(generation) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let image = format!("{}/team/a/app:1", lockgate.address());
    images::build_layered(&machine, &engine, &image, "layered");

    // Without the authority's certificate there is no trust, and docker says so.
    let untrusting = engine
        .docker(["login", "--username", "x", "--password", "x", &lockgate.address()])
        .fails();
    assert!(
        untrusting.contains("certificate signed by unknown authority"),
        "{untrusting}"
    );
    engine.trust(&lockgate);

    let refused = engine.docker(["push", &image]).fails();
    assert!(refused.contains("log in"), "{refused}");
    let wrong = engine
        .docker([
            "login",
            "--username",
            lockgate.account(),
            "--password",
            "x",
            &lockgate.address(),
        ])
        .fails();
    assert!(wrong.to_lowercase().contains("unauthorized"), "{wrong}");

    engine.login(&lockgate, &lockgate.address());
    push_forget_pull_run(&engine, &image);
    assert_users_of_their_own(&machine, &lockgate);
    lockgate.stop();
}

/// Root has started them.
fn assert_users_of_their_own(machine: &Machine, lockgate: &Lockgate) {
    let fields = ["proxy", "registry"].map(|process| {
        let status = format!("/proc/{}/status", lockgate.pid_of(process));
        let status = machine.command("cat").arg(status).ok();
        ["Uid:", "CapEff:", "NoNewPrivs:"].map(|field| {
            let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
            line.split_whitespace().nth(1).expect("a value").to_owned()
        })
    });
    let [[proxy, ..], [registry, ..]] = &fields;
    assert!(proxy != registry && proxy != "0" && registry != "0", "{fields:?}");
    for [_, capabilities, no_new_privileges] in &fields {
        assert_eq!(
            (capabilities.as_str(), no_new_privileges.as_str()),
            ("0000000000000000", "1")
        );
    }
}

fn round_trip_through_localhost(generation: Generation) {
    let Some((machine, engine)) = engine::in_machine(generation) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let image = format!("{}/app", lockgate.local_address());
    images::build_layered(&machine, &engine, &image, "layered");
    engine.login(&lockgate, &lockgate.local_address());
    push_forget_pull_run(&engine, &image);
}

fn push_forget_pull_run(engine: &Engine, image: &str) {
    let pushed = digest_in(&engine.docker(["push", image]).ok());
    engine.docker(["rmi", image]).ok();
    engine.docker(["run", "--pull=never", image]).fails();
    let pulled = digest_in(&engine.docker(["pull", image]).ok());
    assert_eq!(pulled, pushed);
    assert_eq!(engine.output_of(image, &[]), "one\ntwo");
}

/// The first digest after the word that docker puts before it.
fn digest_in(output: &str) -> String {
    let (_, rest) = output
        .split_once("igest: ")
        .unwrap_or_else(|| panic!("no digest: {output}"));
    rest.split_whitespace().next().expect("a word").to_owned()
}
