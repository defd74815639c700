//! Pulls of those pieces of a layer alone that a client does not have.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};

const FILES: u32 = 60;
const FILE_SIZE: usize = 60_000;
/// Files in which the second image differs from the first; no two of them lie side by side.
const CHANGED: [u32; 4] = [7, 20, 33, 50];

// podman asks for the four pieces in one request, and takes one part of the answer for each.
#[test]
fn podman_pulls_the_changed_pieces_of_a_zstd_chunked_layer() {
    let Some(machine) = images::machine_with(&["podman"]) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let address = lockgate.address();
    lockgate.lockgate(&["cert", "trust", "podman", "--install"]).ok();
    let login = ["login", "--username", lockgate.account(), "--password-stdin", &address];
    podman(&machine, &login).ok_with_input(lockgate.password().as_bytes());

    for (version, changed) in [("1", &[][..]), ("2", &CHANGED)] {
        let image = format!("{address}/team/app:{version}");
        let layer = layer(&machine, version, changed);
        podman(&machine, &["import", &layer, &image]).ok();
        podman(&machine, &["push", "--compression-format", "zstd:chunked", &image]).ok();
    }
    podman(&machine, &["rmi", "--all", "--force"]).ok();
    for version in ["1", "2"] {
        let image = format!("{address}/team/app:{version}");
        podman(&machine, &["pull", &image]).ok();
        let root = podman(&machine, &["image", "mount", &image]).ok();
        // The store lies in the machine's own /run.
        let compare = ["-r", &root, &format!("{version}.root")];
        machine.command("diff").args(compare).ok();
    }

    let pieces = partial_pulls(&lockgate.logs());
    let changed = CHANGED.len() * FILE_SIZE;
    let last = *pieces.last().expect("a partial pull");
    assert!((changed..changed + 4096).contains(&last), "{pieces:?}");
}

/// `podman` with a store in which layers can be pulled in part.
fn podman(machine: &Machine, arguments: &[&str]) -> Command {
    let storage = machine.path("storage.conf");
    let text = "[storage]\n\
                driver = \"overlay\"\n\
                graphroot = \"/run/store\"\n\
                runroot = \"/run/podman\"\n\
                [storage.options]\n\
                pull_options = {enable_partial_images = \"true\", use_hard_links = \"false\", ostree_repos=\"\"}\n";
    fs::write(&storage, text).expect("storage.conf");
    let mut command = machine.command("podman");
    command
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("REGISTRY_AUTH_FILE")
        .env("CONTAINERS_STORAGE_CONF", storage)
        .args(arguments);
    command
}

/// A layer of [`FILES`] files that do not compress; its tar file.
fn layer(machine: &Machine, version: &str, changed: &[u32]) -> String {
    let root = machine.path(&format!("{version}.root"));
    fs::create_dir(&root).expect("root");
    for number in 0..FILES {
        let seed = u64::from(number) + if changed.contains(&number) { 1000 } else { 1 };
        write_noise(&root.join(format!("file{number}")), seed);
    }
    let tar = machine.path(&format!("{version}.tar")).display().to_string();
    let root = root.display().to_string();
    let pack = ["-C", &root, "--owner=0", "--group=0", "-cf", &tar, "."];
    machine.command("tar").args(pack).ok();
    tar
}

/// Marsaglia's xorshift64.
fn write_noise(path: &Path, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let noise: Vec<u8> = noise.flatten().take(FILE_SIZE).collect();
    fs::write(path, noise).expect("noise");
}

/// Bytes of each 206 for a blob, in order.
fn partial_pulls(logs: &str) -> Vec<usize> {
    let field = |line: &str, name: &str| {
        let value = line.split(&format!(" {name}=")).nth(1)?;
        Some(value.split_whitespace().next()?.to_owned())
    };
    let partial = |line: &&str| line.contains("/blobs/sha256:") && field(line, "status").as_deref() == Some("206");
    let bytes = |line| field(line, "bytes").expect("bytes").parse().expect("a number");
    logs.lines().filter(partial).map(bytes).collect()
}
