//! A layer of 2 GiB, pushed and pulled, and what it costs in memory.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lockgate_testkit::{require, say};

use super::skopeo::Skopeo;
use super::support::engine::{self, Engine, Generation};
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::Run;
use super::support::oci_layout::OciLayout;

const MEBIBYTES: u32 = 2048;

/// Whatever the layer's size, neither process takes more.
const MOST_MEMORY_MIB: u64 = 64;

/// One at a time: each needs some 10 GiB of disk.
static ALONE: Mutex<()> = Mutex::new(());

// proves: SECURE-13
#[test]
fn old_engine_pushes_and_pulls_2_gib() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((machine, engine, lockgate)) = engine::logged_in(Generation::Old) else {
        return;
    };

    let image = format!("{}/large/old:1", lockgate.address());
    let layer = images::noise_layer(&machine, "large", MEBIBYTES, 1);
    images::import(&engine, &layer, &image, r#"["/bin/busybox", "wc", "-c", "/noise"]"#);
    fs::remove_file(layer).expect("imported");
    push_forget_pull_run(&engine, &image);
    assert_peak_memory(&lockgate);
}

// proves: SECURE-13
#[test]
fn skopeo_and_present_engine_push_and_pull_2_gib() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !require(&["skopeo"]) {
        return;
    }
    let Some((machine, engine, lockgate)) = engine::logged_in(Generation::Present) else {
        return;
    };
    engine.login(&lockgate, &lockgate.local_address());

    let layout = OciLayout::create(machine.path("layout"));
    let layer = images::noise_layer(&machine, "large", MEBIBYTES, 2);
    layout.tag(
        layout.image("amd64", &[&layer], &["/bin/busybox", "wc", "-c", "/noise"]),
        "1",
    );
    let skopeo = Skopeo::new(&machine, &lockgate);
    timed("skopeo push", || {
        skopeo.push(&layout.source("1"), "large/present:1").ok()
    });
    fs::remove_file(layer).expect("pushed");
    fs::remove_dir_all(machine.path("layout")).expect("pushed");

    let there = format!("{}/large/present:1", lockgate.address());
    timed("docker pull", || engine.docker(["pull", &there]).ok());
    // To the same registry, but under a name that docker knows nothing about: it sends every byte.
    let image = format!("{}/large/again:1", lockgate.local_address());
    engine.docker(["tag", &there, &image]).ok();
    engine.docker(["rmi", &there]).ok();
    push_forget_pull_run(&engine, &image);
    assert_peak_memory(&lockgate);
}

fn push_forget_pull_run(engine: &Engine, image: &str) {
    timed("docker push", || engine.docker(["push", image]).ok());
    engine.docker(["rmi", image]).ok();
    timed("docker pull", || engine.docker(["pull", image]).ok());
    // The engine has verified the layer's digest; this shows that it is the whole layer.
    assert_eq!(
        engine.output_of(image, &[]),
        format!("{} /noise", u64::from(MEBIBYTES) << 20)
    );
}

fn assert_peak_memory(lockgate: &Lockgate) {
    for process in ["proxy", "registry"] {
        let peak = lockgate.peak_memory_mib(process);
        assert!(peak < MOST_MEMORY_MIB, "the {process} took {peak} MiB");
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    say(&format!(
        "{what} of {MEBIBYTES} MiB: {:.1} s",
        start.elapsed().as_secs_f32()
    ));
    result
}
