//! `helm`: charts as images.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::support::clients;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};

struct Helm<'t> {
    machine: &'t Machine,
    lockgate: &'t Lockgate,
    program: PathBuf,
}

impl Helm<'_> {
    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(&self.program);
        command
            .env("DOCKER_CONFIG", self.machine.path("helm-client"))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_DATA_HOME")
            .args(arguments);
        command
    }

    /// The same, trusting the authority.
    fn trusting(&self, arguments: &[&str]) -> Command {
        let mut command = self.run(arguments);
        command.arg("--ca-file").arg(self.lockgate.authority());
        command
    }

    /// `helm package` of a chart that is small but whole; the archive's name.
    fn package(&self, version: &str) -> String {
        let templates = self.machine.path("app/templates");
        fs::create_dir_all(&templates).expect("chart");
        let chart = format!("apiVersion: v2\nname: app\nversion: {version}\n");
        fs::write(self.machine.path("app/Chart.yaml"), chart).expect("Chart.yaml");
        let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\n";
        fs::write(templates.join("map.yaml"), template).expect("template");
        self.run(&["package", "app"]).ok();
        format!("app-{version}.tgz")
    }
}

#[test]
fn helm_pushes_and_pulls_charts() {
    let Some((program, machine)) = clients::built("helm").and_then(|program| Some((program, Machine::start()?))) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let helm = Helm {
        machine: &machine,
        lockgate: &lockgate,
        program,
    };
    let address = lockgate.address();
    let login = ["registry", "login", &address, "--username", lockgate.account()];
    let login = [&login[..], &["--password-stdin"]].concat();
    helm.trusting(&login).ok_with_input(lockgate.password().as_bytes());

    let charts = format!("oci://{address}/charts");
    let chart = format!("{charts}/app");
    // A tag has no `+`: helm writes `_` for it.
    let archives = ["0.1.0", "0.2.0+build.7"].map(|version| helm.package(version));
    let untrusting = helm.run(&["push", &archives[0], &charts]).fails();
    assert!(untrusting.contains("unknown authority"), "{untrusting}");
    for archive in &archives {
        helm.trusting(&["push", archive, &charts]).ok();
    }

    // By the very version, and the newest of the listed tags that a constraint allows.
    for (version, archive) in [("0.1.0", &archives[0]), (">=0.1.0", &archives[1])] {
        let pull = ["pull", &chart, "--version", version, "--destination", "back"];
        fs::create_dir_all(machine.path("back")).expect("back");
        helm.trusting(&pull).ok();
        let pushed = fs::read(machine.path(archive)).expect("archive");
        let pulled = fs::read(machine.path("back").join(archive)).expect("pulled");
        assert!(pulled == pushed, "{archive} came back different");
    }
    let rendered = helm.trusting(&["template", &chart, "--version", "0.1.0"]).ok();
    assert!(rendered.contains("kind: ConfigMap"), "{rendered}");
}
