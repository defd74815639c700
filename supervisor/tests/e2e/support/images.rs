//! Images, made from busybox alone.

use std::fs;
use std::io::{BufWriter, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_testkit::{missing, require};

use super::clients;
use super::engine::Engine;
use super::machine::{Machine, Run};

/// A machine, where images can be made.
pub(crate) fn machine() -> Option<Arc<Machine>> {
    machine_with(&[])
}

/// The same, where these programs are too.
pub(crate) fn machine_with(programs: &[&str]) -> Option<Arc<Machine>> {
    (require(programs) && can_be_made()).then(Machine::start).flatten()
}

/// Whether images can be made here.
pub(crate) fn can_be_made() -> bool {
    require(&["tar"]) && (busybox().is_some() || missing("busybox", "sudo apt-get install busybox-static"))
}

fn busybox() -> Option<PathBuf> {
    clients::find(&["/bin/busybox", "/usr/bin/busybox"])
}

/// `bin/busybox`, `bin/sh` and `text` as a tar file.
pub(crate) fn root_layer(machine: &Machine, name: &str, text: &str) -> PathBuf {
    let root = root(machine, name);
    fs::write(root.join("text"), text).expect("text");
    tar(machine, &root, name)
}

/// The same with `noise` instead of `text`: `mebibytes` that do not compress, different for each `seed`.
pub(crate) fn noise_layer(machine: &Machine, name: &str, mebibytes: u32, seed: u64) -> PathBuf {
    let root = root(machine, name);
    write_noise(&root.join("noise"), mebibytes, seed);
    tar(machine, &root, name)
}

fn root(machine: &Machine, name: &str) -> PathBuf {
    let root = machine.path(&format!("{name}.root"));
    fs::create_dir_all(root.join("bin")).expect("root");
    fs::copy(busybox().expect("asked before"), root.join("bin/busybox")).expect("busybox");
    symlink("busybox", root.join("bin/sh")).expect("sh");
    root
}

/// One mebibyte of noise over and over, each with its own number in front: further apart than deflate looks back.
fn write_noise(path: &Path, mebibytes: u32, seed: u64) {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut block: Vec<u8> = std::iter::repeat_with(|| xorshift(&mut state).to_le_bytes())
        .take(1 << 17)
        .flatten()
        .collect();
    let mut file = BufWriter::new(fs::File::create(path).expect("noise"));
    for number in 0..mebibytes {
        block[..4].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).expect("noise");
    }
    file.flush().expect("noise");
}

/// Marsaglia's xorshift64.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn tar(machine: &Machine, root: &Path, name: &str) -> PathBuf {
    let layer = machine.path(&format!("{name}.tar"));
    machine
        .command("tar")
        .arg("-C")
        .arg(root)
        .args(["--owner=0", "--group=0", "-cf"])
        .arg(&layer)
        .arg(".")
        .ok();
    fs::remove_dir_all(root).expect("all of it is in the tar file");
    layer
}

/// `docker import` of one layer, with a command to run.
pub(crate) fn import(engine: &Engine, layer: &Path, image: &str, command: &str) {
    engine
        .docker([
            "import",
            "--change",
            &format!("CMD {command}"),
            &layer.to_string_lossy(),
            image,
        ])
        .ok();
}

/// `docker build` of a layer with busybox and two more on top; the image prints `one`, `two`, each on a line.
pub(crate) fn build_layered(machine: &Machine, engine: &Engine, image: &str, name: &str) {
    let layer = root_layer(machine, name, name);
    import(engine, &layer, &format!("{name}-base"), r#"["/bin/sh"]"#);
    let context = machine.path(&format!("{name}.context"));
    fs::create_dir_all(&context).expect("context");
    fs::write(context.join("one"), "one\n").expect("one");
    fs::write(context.join("two"), "two\n").expect("two");
    let recipe = format!(
        "FROM {name}-base\nCOPY one /one\nCOPY two /two\nCMD [\"/bin/busybox\", \"cat\", \"/one\", \"/two\"]\n"
    );
    fs::write(context.join("Dockerfile"), recipe).expect("Dockerfile");
    engine
        .docker(["build", "--tag", image, &context.to_string_lossy()])
        .ok();
    engine.docker(["rmi", &format!("{name}-base")]).ok();
}
