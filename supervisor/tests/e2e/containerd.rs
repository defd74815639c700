//! containerd v2 with `ctr`, trusting by hosts.toml.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};
use super::support::oci_layout::OciLayout;
use super::support::{clients, daemon};

/// A running containerd; it ends with the machine.
pub(super) struct Containerd<'m> {
    machine: &'m Machine,
    ctr: PathBuf,
}

impl<'m> Containerd<'m> {
    pub(super) fn start(machine: &'m Machine) -> Option<Self> {
        let (program, ctr) = (clients::built("containerd")?, clients::built("ctr")?);
        let path = |part: &str| machine.path(&format!("containerd-{part}"));
        // Kubernetes' side would look for a network of pods.
        let configuration = "version = 3\ndisabled_plugins = ['io.containerd.cri.v1.images', \
             'io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri']\n";
        fs::write(path("config.toml"), configuration).expect("configuration");
        let mut command = machine.daemon(program);
        command
            .arg("--config")
            .arg(path("config.toml"))
            .arg("--root")
            .arg(path("root"))
            .arg("--state")
            .arg(path("state"))
            .arg("--address")
            .arg(path("sock"));
        let containerd = Self { machine, ctr };
        daemon::launch(&mut command, &path("log"), || {
            daemon::succeeds(&mut containerd.ctr(&["version"]))
        });
        Some(containerd)
    }

    pub(super) fn ctr(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(&self.ctr);
        command
            .arg("--address")
            .arg(self.machine.path("containerd-sock"))
            .args(arguments);
        command
    }

    /// Every image and every byte of them.
    pub(super) fn forget_everything(&self) {
        let images = self.ctr(&["images", "ls", "--quiet"]).ok();
        let images: Vec<&str> = images.lines().collect();
        self.ctr(&[&["images", "rm", "--sync"], &images[..]].concat()).ok();
        assert_eq!(self.ctr(&["content", "ls", "--quiet"]).ok(), "");
    }

    /// What containerd holds under `image`, by digest.
    fn digest_of(&self, image: &str) -> String {
        let list = self.ctr(&["images", "ls", &format!("name=={image}")]).ok();
        let row = list.lines().nth(1).unwrap_or_else(|| panic!("no {image}: {list}"));
        row.split_whitespace().nth(2).expect("REF TYPE DIGEST").to_owned()
    }
}

// proves: TRUST-04
#[test]
fn ctr_pushes_and_pulls_by_hosts_toml() {
    let Some(machine) = images::machine() else { return };
    let Some(containerd) = Containerd::start(&machine) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let layout = OciLayout::create(machine.path("layout"));
    let image = |architecture: &str| {
        let root = images::root_layer(&machine, architecture, architecture);
        let noise = images::noise_layer(&machine, &format!("{architecture}-noise"), 8, 1);
        layout.image(architecture, &[&root, &noise], &["/bin/busybox", "cat", "/text"])
    };
    let index = layout.index(&[image("amd64"), image("arm64")]);
    layout.tag(index, "1");
    machine
        .command("tar")
        .args(["-C", "layout", "-cf", "layout.tar", "."])
        .ok();

    let credentials = lockgate.credentials();
    let access = ["--user", &credentials, "--hosts-dir", "/etc/containerd/certs.d"];
    // The daemon's own transfer service, and ctr as it was before there was one.
    for (name, way) in [("transfer", &[][..]), ("local", &["--local"])] {
        let image = format!("{}/{name}/app:1", lockgate.address());
        // The layout's own index.json and the index in it: an index of indexes.
        containerd
            .ctr(&[
                "images",
                "import",
                "--all-platforms",
                "--no-unpack",
                "--local",
                "--index-name",
                "local",
                "layout.tar",
            ])
            .ok();
        let digest = containerd.digest_of("local");
        let push = [&["images", "push"], &access[..], way, &[&image, "local"]].concat();
        if name == "transfer" {
            let untrusting = containerd.ctr(&push).fails();
            assert!(untrusting.contains("unknown authority"), "{untrusting}");
            lockgate.lockgate(&["cert", "trust", "containerd", "--install"]).ok();
        }
        containerd.ctr(&push).ok();
        containerd.forget_everything();
        containerd
            .ctr(&[&["images", "pull"], &access[..], way, &[&image]].concat())
            .ok();
        assert_eq!(containerd.digest_of(&image), digest, "{name}");
        containerd.forget_everything();
    }
}
