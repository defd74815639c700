//! `regctl`: chunked uploads, artifacts and referrers.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::support::clients;
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};
use super::support::oci_layout::OciLayout;

struct Regctl<'t> {
    machine: &'t Machine,
    program: PathBuf,
}

impl<'t> Regctl<'t> {
    /// Trusting `lockgate` and logged in there.
    fn start(machine: &'t Machine, program: PathBuf, lockgate: &Lockgate) -> Self {
        let regctl = Self { machine, program };
        let authority = fs::read_to_string(lockgate.authority()).expect("ca.crt");
        let address = lockgate.address();
        let set = ["registry", "set", "--skip-check", &address, "--cacert", &authority];
        // From one MiB on, a blob is sent in pieces of 300 kB.
        let chunks = ["--blob-max", "1048576", "--blob-chunk", "300000"];
        regctl.run(&[&set[..], &chunks].concat()).ok();
        let login = [
            "registry",
            "login",
            &address,
            "--user",
            lockgate.account(),
            "--pass-stdin",
        ];
        regctl.run(&login).ok_with_input(lockgate.password().as_bytes());
        regctl
    }

    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(&self.program);
        command
            .env("DOCKER_CONFIG", self.machine.path("regctl-client"))
            .env("REGCTL_CONFIG", self.machine.path("regctl.json"))
            .args(arguments);
        command
    }
}

#[test]
fn regctl_copies_in_chunks_and_attaches_artifacts() {
    let can_run = images::can_be_made().then(|| clients::built("regctl")).flatten();
    let Some((program, machine)) = can_run.and_then(|program| Some((program, Machine::start()?))) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let regctl = Regctl::start(&machine, program, &lockgate);
    let layout = OciLayout::create(machine.path("layout"));
    let root = images::root_layer(&machine, "root", "text");
    let noise = images::noise_layer(&machine, "noise", 8, 1);
    let image = layout.image("amd64", &[&root, &noise], &["/bin/sh"]);
    let digest = image["digest"].as_str().expect("a digest").to_owned();
    layout.tag(image, "1");

    let image = format!("{}/team/app:1", lockgate.address());
    regctl.run(&["image", "copy", "ocidir://layout:1", &image]).ok();
    assert_eq!(regctl.run(&["image", "digest", &image]).ok(), digest);
    regctl.run(&["image", "copy", &image, "ocidir://back:1"]).ok();
    assert_eq!(regctl.run(&["image", "digest", "ocidir://back:1"]).ok(), digest);

    let alone = format!("{}/team/text:1", lockgate.address());
    let put = [
        "artifact",
        "put",
        "--artifact-type",
        "application/vnd.example.text",
        &alone,
    ];
    regctl.run(&put).ok_with_input(b"an artifact");
    assert_eq!(regctl.run(&["artifact", "get", &alone]).ok(), "an artifact");

    let kinds = ["application/vnd.example.bill", "application/vnd.example.note"];
    for kind in kinds {
        let put = ["artifact", "put", "--artifact-type", kind, "--subject", &image];
        regctl.run(&put).ok_with_input(kind.as_bytes());
        let get = ["artifact", "get", "--subject", &image, "--filter-artifact-type", kind];
        assert_eq!(regctl.run(&get).ok(), kind);
    }
    let list = |filter: &[&str]| {
        let format = "{{range .Descriptors}}{{println .ArtifactType .Digest}}{{end}}";
        let list = ["artifact", "list", &image, "--format", format];
        let list = regctl.run(&[&list[..], filter].concat()).ok();
        let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let both = list(&[]);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(
        both[0].starts_with(kinds[0]) && both[1].starts_with(kinds[1]),
        "{both:?}"
    );
    assert_eq!(list(&["--filter-artifact-type", kinds[1]]), both[1..]);
    // The registry's own list: no fallback tag was written.
    assert_eq!(regctl.run(&["tag", "ls", &image]).ok(), "1");

    let copy = format!("{}/copied/app:1", lockgate.address());
    regctl.run(&["image", "copy", "--referrers", &image, &copy]).ok();
    let get = [
        "artifact",
        "get",
        "--subject",
        &copy,
        "--filter-artifact-type",
        kinds[0],
    ];
    assert_eq!(regctl.run(&get).ok(), kinds[0]);

    let (_, note) = both[1].split_once(' ').expect("type and digest");
    let note = format!("{}/team/app@{note}", lockgate.address());
    regctl.run(&["manifest", "delete", &note]).ok();
    assert_eq!(list(&[]), both[..1]);
    regctl.run(&["tag", "delete", &image]).ok();
    regctl.run(&["image", "digest", &image]).fails();
}
