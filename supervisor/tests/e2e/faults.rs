//! The registry process is killed, and nobody who pushes or pulls notices.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use lockgate_testkit::require;

use super::skopeo::Skopeo;
use super::support::engine::{self, Generation};
use super::support::images;
use super::support::machine::Run;
use super::support::oci_layout::OciLayout;

/// What docker prints at the moment of the kill: nothing yet, layers asked for, one layer here.
const MOMENTS: [&str; 4] = ["", "Pulling from", "Pulling fs layer", "Download complete"];

// proves: SECURE-11
#[test]
fn old_engine_pulls_while_the_registry_is_killed() {
    pulls_while_the_registry_is_killed(Generation::Old);
}

// proves: SECURE-11
#[test]
fn present_engine_pulls_while_the_registry_is_killed() {
    pulls_while_the_registry_is_killed(Generation::Present);
}

// proves: SECURE-11
#[test]
fn old_engine_pushes_after_the_registry_was_killed() {
    pushes_after_the_registry_was_killed(Generation::Old);
}

// proves: SECURE-11
#[test]
fn present_engine_pushes_after_the_registry_was_killed() {
    pushes_after_the_registry_was_killed(Generation::Present);
}

fn pulls_while_the_registry_is_killed(generation: Generation) {
    if !require(&["skopeo"]) {
        return;
    }
    let Some((machine, engine, lockgate)) = engine::logged_in(generation) else {
        return;
    };
    let layout = OciLayout::create(machine.path("layout"));
    let layers = [1, 2, 3, 4].map(|seed| images::noise_layer(&machine, &format!("noise{seed}"), 48, seed));
    let layers = [0, 1, 2, 3].map(|index| layers[index].as_path());
    layout.tag(layout.image("amd64", &layers, &["/bin/busybox", "true"]), "1");
    Skopeo::new(&machine, &lockgate).push(&layout.source("1"), "app:1").ok();

    let image = format!("{}/app:1", lockgate.address());
    for moment in MOMENTS {
        let first = lockgate.pid_of("registry");
        let mut pull = engine
            .docker(["pull", &image])
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker pull");
        let mut lines = BufReader::new(pull.stdout.take().expect("piped"))
            .lines()
            .map(|line| line.expect("text"));
        if !moment.is_empty() {
            assert!(
                lines.any(|line| line.contains(moment)),
                "docker never printed {moment:?}"
            );
        }
        lockgate.kill("registry");
        let rest: Vec<String> = lines.collect();
        assert!(pull.wait().expect("wait").success(), "killed at {moment:?}: {rest:#?}");
        assert_ne!(lockgate.pid_of("registry"), first);
        engine.docker(["run", "--rm", "--network", "none", &image]).ok();
        engine.docker(["rmi", &image]).ok();
    }
}

fn pushes_after_the_registry_was_killed(generation: Generation) {
    let Some((machine, engine, lockgate)) = engine::logged_in(generation) else {
        return;
    };
    for round in 1..=4 {
        let image = format!("{}/app:{round}", lockgate.address());
        let layer = images::noise_layer(&machine, &format!("noise{round}"), 8, round);
        images::import(&engine, &layer, &image, r#"["/bin/busybox", "wc", "-c", "/noise"]"#);
        lockgate.kill("registry");
        engine.docker(["push", &image]).ok();
        engine.docker(["rmi", &image]).ok();
        lockgate.kill("registry");
        engine.docker(["pull", &image]).ok();
        assert_eq!(engine.output_of(&image, &[]), "8388608 /noise");
    }
}
