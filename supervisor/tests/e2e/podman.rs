//! `podman` and `buildah`, trusting by certs.d directories.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};

/// `podman` or `buildah` with a store of its own.
pub(super) struct Client {
    machine: Arc<Machine>,
    program: &'static str,
}

impl Client {
    /// `program` in a machine of its own; `None`, said loudly, where it is not installed.
    pub(super) fn start(program: &'static str) -> Option<(Arc<Machine>, Self)> {
        let machine = images::machine_with(&[program])?;
        let client = Self {
            machine: machine.clone(),
            program,
        };
        Some((machine, client))
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(self.program);
        command
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("REGISTRY_AUTH_FILE")
            .args(["--storage-driver", "vfs", "--root"])
            .arg(self.machine.path(&format!("{}-store", self.program)))
            .arg("--runroot")
            // In the machine's own /run: podman takes 50 characters at most.
            .arg(format!("/run/{}", self.program))
            .args(arguments);
        command
    }

    /// Pushes `local` as `image`, forgets everything, pulls it, and compares the digests.
    fn round_trip(&self, local: &str, image: &str, push_arguments: &[&str], pull_arguments: &[&str]) {
        let destination = format!("docker://{image}");
        let push = [
            &["push", "--digestfile", "digest"],
            push_arguments,
            &[local, &destination],
        ]
        .concat();
        self.run(&push).ok();
        let pushed = fs::read_to_string(self.machine.path("digest")).expect("digest file");
        self.run(&["rmi", "--all", "--force"]).ok();
        self.run(&[&["pull"], pull_arguments, &[image]].concat()).ok();
        let pulled = self.run(&["images", "--digests", "--format", "{{.Digest}}"]).ok();
        assert_eq!(pulled, pushed.trim(), "{image}");
    }
}

// proves: TRUST-08
#[test]
fn podman_trusts_by_the_system_s_certs_d() {
    let Some((machine, podman)) = Client::start("podman") else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let address = lockgate.address();
    let image = format!("{address}/team/app:1");
    let layer = images::root_layer(&machine, "root", "some text");
    podman.run(&["import", &layer.to_string_lossy(), &image]).ok();

    let login = ["login", "--username", lockgate.account(), "--password-stdin", &address];
    let mut untrusting = podman.run(&["push", "--creds", &lockgate.credentials(), &image]);
    let untrusting = untrusting.fails();
    assert!(untrusting.contains("unknown authority"), "{untrusting}");
    lockgate.lockgate(&["cert", "trust", "podman", "--install"]).ok();
    let unknown = podman.run(&["push", &image]).fails();
    assert!(unknown.contains("unauthorized"), "{unknown}");
    podman.run(&login).ok_with_input(lockgate.password().as_bytes());

    podman.round_trip(&image, &image, &[], &[]);
    let root = podman.run(&["image", "mount", &image]).ok();
    let text = fs::read_to_string(Path::new(&root).join("text")).expect("text");
    assert_eq!(text, "some text");

    let mut local = image;
    for (tag, arguments) in [
        ("schema2", ["--format", "v2s2"]),
        ("oci", ["--format", "oci"]),
        ("zstd", ["--compression-format", "zstd"]),
    ] {
        let other = format!("{address}/team/app:{tag}");
        podman.round_trip(&local, &other, &arguments, &[]);
        local = other;
    }
    let repository = format!("{address}/team/app");
    let table = podman.run(&["search", "--list-tags", &repository]).ok();
    let tags: Vec<_> = table
        .lines()
        .skip(1)
        .filter_map(|row| row.split_whitespace().last())
        .collect();
    assert_eq!(tags, ["1", "oci", "schema2", "zstd"]);
}

// proves: TRUST-08
#[test]
fn podman_pushes_a_manifest_list_trusting_by_the_user_s_certs_d() {
    let Some((machine, podman)) = Client::start("podman") else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let address = lockgate.address();
    let directory = machine.path("home/.config/containers/certs.d").join(&address);
    fs::create_dir_all(&directory).expect("certs.d");
    fs::copy(lockgate.authority(), directory.join("ca.crt")).expect("ca.crt");
    let login = ["login", "--username", lockgate.account(), "--password-stdin", &address];
    podman.run(&login).ok_with_input(lockgate.password().as_bytes());

    let list = format!("{address}/multi:1");
    podman.run(&["manifest", "create", &list]).ok();
    for architecture in ["amd64", "arm64"] {
        let layer = images::root_layer(&machine, architecture, architecture);
        let image = format!("{address}/multi:{architecture}");
        podman
            .run(&["import", "--arch", architecture, &layer.to_string_lossy(), &image])
            .ok();
        podman.run(&["push", &image]).ok();
        podman
            .run(&["manifest", "add", &list, &format!("docker://{image}")])
            .ok();
        podman.run(&["rmi", &image]).ok();
    }
    podman
        .run(&["manifest", "push", "--all", &list, &format!("docker://{list}")])
        .ok();
    podman.run(&["manifest", "rm", &list]).ok();
    for architecture in ["amd64", "arm64"] {
        podman.run(&["pull", "--arch", architecture, &list]).ok();
        let pulled = podman
            .run(&["image", "inspect", "--format", "{{.Architecture}}", &list])
            .ok();
        assert_eq!(pulled, architecture);
    }
}

#[test]
fn buildah_builds_pushes_and_pulls_with_a_cert_dir() {
    let Some((machine, buildah)) = Client::start("buildah") else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let layer = images::noise_layer(&machine, "noise", 8, 1);
    let container = buildah.run(&["from", "scratch"]).ok();
    buildah.run(&["add", &container, &layer.to_string_lossy()]).ok();
    buildah.run(&["config", "--cmd", "/bin/sh", &container]).ok();
    let image = format!("{}/team/built:1", lockgate.address());
    buildah.run(&["commit", &container, &image]).ok();

    fs::create_dir(machine.path("trust")).expect("trust");
    fs::copy(lockgate.authority(), machine.path("trust/ca.crt")).expect("ca.crt");
    let credentials = lockgate.credentials();
    let untrusting = buildah.run(&["push", "--creds", &credentials, &image]).fails();
    assert!(untrusting.contains("unknown authority"), "{untrusting}");
    let access = ["--cert-dir", "trust", "--creds", &credentials];
    // A working container keeps its image in use.
    buildah.run(&["rm", &container]).ok();
    buildah.round_trip(&image, &image, &access, &access);
}
