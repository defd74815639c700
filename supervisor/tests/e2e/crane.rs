//! `crane`, which trusts by the system's store alone.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::support::clients;
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};
use super::support::oci_layout::OciLayout;

struct Crane<'t> {
    machine: &'t Machine,
    lockgate: &'t Lockgate,
    program: PathBuf,
}

impl Crane<'_> {
    /// With an empty store of trusted certificates.
    fn untrusting(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(&self.program);
        command
            .env("DOCKER_CONFIG", self.machine.path("crane-client"))
            .args(arguments);
        command
    }

    /// As where the authority is installed: Go reads this file in place of the system's.
    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.untrusting(arguments);
        command.env("SSL_CERT_FILE", self.lockgate.authority());
        command
    }
}

#[test]
fn crane_pushes_validates_copies_and_deletes() {
    let can_run = images::can_be_made().then(|| clients::built("crane")).flatten();
    let Some((program, machine)) = can_run.and_then(|program| Some((program, Machine::start()?))) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let crane = Crane {
        machine: &machine,
        lockgate: &lockgate,
        program,
    };
    let layout = OciLayout::create(machine.path("layout"));
    let image = |architecture: &str| {
        let root = images::root_layer(&machine, architecture, architecture);
        layout.image(architecture, &[&root], &["/bin/busybox", "cat", "/text"])
    };
    let index = layout.index(&[image("amd64"), image("arm64")]);
    let digest = index["digest"].as_str().expect("a digest").to_owned();
    layout.tag(index, "1");
    let repository = format!("{}/team/app", lockgate.address());
    let image = format!("{repository}:1");

    let login = ["auth", "login", &lockgate.address(), "--username", lockgate.account()];
    let login = [&login[..], &["--password-stdin"]].concat();
    crane.run(&login).ok_with_input(lockgate.password().as_bytes());
    let untrusting = crane.untrusting(&["push", "layout", &image]).fails();
    assert!(untrusting.contains("unknown authority"), "{untrusting}");
    crane.run(&["push", "layout", &image]).ok();
    assert_eq!(crane.run(&["digest", &image]).ok(), digest);
    crane.run(&["pull", "--format", "oci", &image, "back"]).ok();
    for blob in fs::read_dir(machine.path("layout/blobs/sha256")).expect("blobs") {
        let blob = blob.expect("blob");
        let back = machine.path("back/blobs/sha256").join(blob.file_name());
        let same = fs::read(blob.path()).expect("blob") == fs::read(&back).expect("pulled");
        assert!(same, "{}", back.display());
    }

    // Layers are mounted from one repository into the other.
    let copy = format!("{}/copied/app:2", lockgate.address());
    crane.run(&["copy", &image, &copy]).ok();
    assert_eq!(crane.run(&["digest", &copy]).ok(), digest);
    let repositories = crane.run(&["catalog", &lockgate.address()]).ok();
    assert_eq!(repositories, "copied/app\nteam/app");

    // A layer whose length is not known beforehand, as crane compresses it meanwhile.
    fs::write(machine.path("added"), "added").expect("file");
    machine.command("tar").args(["-cf", "added.tar", "added"]).ok();
    let appended = format!("{repository}:2");
    crane
        .run(&["append", "--new_layer", "added.tar", "--new_tag", &appended])
        .ok();
    // Every manifest and layer, each against its digest.
    crane.run(&["validate", "--remote", &appended]).ok();
    crane.run(&["export", &appended, "exported.tar"]).ok();
    let added = machine.command("tar").args(["-xOf", "exported.tar", "added"]).ok();
    assert_eq!(added, "added");
    assert_eq!(crane.run(&["ls", &repository]).ok(), "1\n2");

    crane.run(&["delete", &format!("{repository}@{digest}")]).ok();
    let gone = crane.run(&["digest", &image]).fails();
    assert!(gone.contains("MANIFEST_UNKNOWN") || gone.contains("404"), "{gone}");
    assert_eq!(crane.run(&["ls", &repository]).ok(), "2");
    assert_eq!(crane.run(&["digest", &copy]).ok(), digest);
}
