//! `skopeo copy` both ways, and what only it can make: a multi-platform index.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::support::engine::{Engine, Generation};
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};
use super::support::oci_layout::OciLayout;

/// skopeo against one Lockgate.
pub(crate) struct Skopeo<'t> {
    machine: &'t Machine,
    lockgate: &'t Lockgate,
}

impl<'t> Skopeo<'t> {
    pub(crate) fn new(machine: &'t Machine, lockgate: &'t Lockgate) -> Self {
        std::fs::create_dir_all(machine.path("trust")).expect("trust");
        std::fs::copy(lockgate.authority(), machine.path("trust/ca.crt")).expect("ca.crt");
        Self { machine, lockgate }
    }

    /// `skopeo copy` to `repository:tag`, every image and byte as it is.
    pub(crate) fn push(&self, source: &str, name: &str) -> Command {
        let destination = format!("docker://{}/{name}", self.lockgate.address());
        self.copy(&[
            "--dest-creds",
            &self.credentials(),
            "--dest-cert-dir",
            "trust",
            source,
            &destination,
        ])
    }

    /// `skopeo copy` from `repository:tag`.
    pub(crate) fn pull(&self, name: &str, destination: &str) -> Command {
        let source = format!("docker://{}/{name}", self.lockgate.address());
        self.copy(&[
            "--src-creds",
            &self.credentials(),
            "--src-cert-dir",
            "trust",
            &source,
            destination,
        ])
    }

    /// The manifest's bytes.
    fn manifest(&self, name: &str) -> String {
        let image = format!("docker://{}/{name}", self.lockgate.address());
        self.skopeo(&[
            "inspect",
            "--raw",
            "--creds",
            &self.credentials(),
            "--cert-dir",
            "trust",
            &image,
        ])
        .ok()
    }

    /// The repository's tags, as they are listed.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let repository = format!("docker://{}/{repository}", self.lockgate.address());
        let credentials = self.credentials();
        let list = ["list-tags", "--creds", &credentials, "--cert-dir", "trust", &repository];
        let list: Value = serde_json::from_str(&self.skopeo(&list).ok()).expect("JSON");
        serde_json::from_value(list["Tags"].clone()).expect("names")
    }

    fn copy(&self, arguments: &[&str]) -> Command {
        let mut command = self.skopeo(&["copy", "--all", "--preserve-digests"]);
        command.args(arguments);
        command
    }

    fn skopeo(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command("skopeo");
        // Whose images are trusted is no question here, and not every system has a policy file.
        command.arg("--insecure-policy").args(arguments);
        command
    }

    fn credentials(&self) -> String {
        format!("{}:{}", self.lockgate.account(), self.lockgate.password())
    }
}

// proves: MOSI-05
#[test]
fn copies_there_and_back_with_the_authority_and_without() {
    let Some(machine) = images::machine_with(&["skopeo"]) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let skopeo = Skopeo::new(&machine, &lockgate);
    let layout = OciLayout::create(machine.path("layout"));
    let root = images::root_layer(&machine, "root", "text");
    let noise = images::noise_layer(&machine, "noise", 24, 1);
    let image = layout.image("amd64", &[&root, &noise], &["/bin/busybox", "cat", "/text"]);
    let digest = image["digest"].as_str().expect("a digest").to_owned();
    layout.tag(image, "1");

    let there = format!("docker://{}/team/app:1", lockgate.address());
    skopeo
        .copy(&["--dest-creds", &skopeo.credentials(), &layout.source("1"), &there])
        .fails();
    skopeo
        .copy(&["--dest-cert-dir", "trust", &layout.source("1"), &there])
        .fails();
    skopeo.push(&layout.source("1"), "team/app:1").ok();
    skopeo
        .pull("team/app:1", &format!("dir:{}", machine.path("back").display()))
        .ok();
    assert_same_blobs(&machine.path("layout/blobs/sha256"), &machine.path("back"), &digest);

    let local = format!("docker://{}/team/app:2", lockgate.local_address());
    skopeo
        .copy(&[
            "--dest-creds",
            &skopeo.credentials(),
            "--dest-tls-verify=false",
            &layout.source("1"),
            &local,
        ])
        .ok();
    assert_eq!(skopeo.tags("team/app"), ["1", "2"]);
}

#[test]
fn a_multi_platform_index_is_kept_whole_and_pulled_by_platform() {
    let Some(machine) = images::machine_with(&["skopeo"]) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let skopeo = Skopeo::new(&machine, &lockgate);
    let layout = OciLayout::create(machine.path("layout"));
    let image = |architecture: &str| {
        let root = images::root_layer(&machine, architecture, architecture);
        layout.image(architecture, &[&root], &["/bin/busybox", "cat", "/text"])
    };
    let index = layout.index(&[image("arm64"), image("amd64")]);
    let digest = index["digest"].as_str().expect("a digest").to_owned();
    layout.tag(index, "1");
    skopeo.push(&layout.source("1"), "multi:1").ok();

    let kept = std::fs::read_to_string(blob(&machine.path("layout"), &digest)).expect("the index");
    assert_eq!(skopeo.manifest("multi:1"), kept);
    for generation in [Generation::Old, Generation::Present] {
        let Some(engine) = Engine::start(&machine, generation) else {
            return;
        };
        engine.trust(&lockgate);
        engine.login(&lockgate, &lockgate.address());
        for architecture in ["arm64", "amd64"] {
            let name = format!("{}/multi:1", lockgate.address());
            engine
                .docker(["pull", "--platform", &format!("linux/{architecture}"), &name])
                .ok();
            // What it holds is this machine's busybox, whatever the platform is called.
            let platform = format!("linux/{architecture}");
            let text = engine
                .docker(["run", "--rm", "--network", "none", "--platform", &platform, &name])
                .ok();
            assert_eq!(text, architecture, "{generation:?}");
        }
    }
}

fn blob(layout: &Path, digest: &str) -> std::path::PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// Every blob but the manifest is a file of the same name in skopeo's `dir:`; the manifest is `manifest.json`.
fn assert_same_blobs(blobs: &Path, copy: &Path, manifest: &str) {
    let manifest = manifest.trim_start_matches("sha256:");
    for entry in std::fs::read_dir(blobs)
        .expect("blobs")
        .map(|entry| entry.expect("blob"))
    {
        let name = entry.file_name().into_string().expect("hex");
        let copied = if name == manifest { "manifest.json" } else { &name };
        let copied = std::fs::read(copy.join(copied)).expect("copied");
        assert!(
            copied == std::fs::read(entry.path()).expect("blob"),
            "{name} came back different"
        );
    }
}
