//! `cosign`: signatures by a key of one's own, as referrers and, as before there were any, under a tag.

use std::path::PathBuf;
use std::process::Command;

use lockgate_testkit::require;
use serde_json::Value;

use super::skopeo::Skopeo;
use super::support::clients;
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};
use super::support::oci_layout::OciLayout;

struct Cosign<'t> {
    machine: &'t Machine,
    lockgate: &'t Lockgate,
    program: PathBuf,
}

impl Cosign<'_> {
    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(&self.program);
        command
            .env("DOCKER_CONFIG", self.machine.path("cosign-client"))
            .env("SSL_CERT_FILE", self.lockgate.authority())
            .env("COSIGN_PASSWORD", "the key's")
            .args(arguments);
        command
    }

    /// With the private key, and without the public log of signatures: that is elsewhere.
    fn sign(&self, image: &str, arguments: &[&str]) -> Command {
        let alone = ["--yes", "--use-signing-config=false", "--tlog-upload=false"];
        self.run(&[&["sign", "--key", "own.key"], &alone[..], arguments, &[image]].concat())
    }

    fn verify(&self, image: &str, key: &str) -> Command {
        self.run(&["verify", "--key", key, "--insecure-ignore-tlog", image])
    }
}

#[test]
fn cosign_signs_as_a_referrer_and_under_a_tag() {
    let can_run = require(&["skopeo"]) && images::can_be_made();
    let program = can_run.then(|| clients::built("cosign")).flatten();
    let Some((program, machine)) = program.and_then(|program| Some((program, Machine::start()?))) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let cosign = Cosign {
        machine: &machine,
        lockgate: &lockgate,
        program,
    };
    let address = lockgate.address();
    let login = ["login", &address, "--username", lockgate.account(), "--password-stdin"];
    cosign.run(&login).ok_with_input(lockgate.password().as_bytes());
    for name in ["own", "other"] {
        cosign.run(&["generate-key-pair", "--output-key-prefix", name]).ok();
    }

    let skopeo = Skopeo::new(&machine, &lockgate);
    // Since version 3 cosign writes referrers; before, a tag made of the digest.
    for (name, arguments) in [("referrer", &[][..]), ("tag", &["--new-bundle-format=false"])] {
        let layout = OciLayout::create(machine.path(name));
        let image = layout.image("amd64", &[&images::root_layer(&machine, name, name)], &["/bin/sh"]);
        let digest = image["digest"].as_str().expect("a digest").to_owned();
        layout.tag(image, "1");
        skopeo.push(&layout.source("1"), &format!("{name}/app:1")).ok();
        let image = format!("{address}/{name}/app@{digest}");

        let unsigned = cosign.verify(&image, "own.pub").fails();
        assert!(unsigned.contains("no signatures found"), "{unsigned}");
        cosign.sign(&image, arguments).ok();
        let verified: Value = serde_json::from_str(&cosign.verify(&image, "own.pub").ok()).expect("JSON");
        let signed = &verified[0]["critical"]["image"]["docker-manifest-digest"];
        assert_eq!(signed.as_str(), Some(&*digest), "{verified}");
        cosign.verify(&image, "other.pub").fails();

        let beside = format!("{}.sig", digest.replace(':', "-"));
        let tags = skopeo.tags(&format!("{name}/app"));
        assert_eq!(tags.contains(&beside), name == "tag", "{tags:?}");
        assert_eq!(tags.len(), if name == "tag" { 2 } else { 1 }, "{tags:?}");
    }
}
