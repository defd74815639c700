//! Docker engines, started in a test's machine.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lockgate_testkit::missing;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use super::lockgate::Lockgate;
use super::machine::{Machine, Run};
use super::{clients, daemon, images};

/// Which docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// The distribution's package: images in the engine's own graph driver.
    Old,
    /// The present one, as `.ci/run` builds it: images in containerd's store.
    Present,
}

/// A running dockerd; it ends with the machine.
pub(crate) struct Engine {
    machine: Arc<Machine>,
    client: PathBuf,
    name: &'static str,
}

impl Engine {
    /// Starts one and waits until it answers; `None`, said loudly, where it is not installed.
    pub(crate) fn start(machine: &Arc<Machine>, generation: Generation) -> Option<Self> {
        let (name, program) = match generation {
            Generation::Old => ("old", clients::find(&["dockerd"])),
            Generation::Present => (
                "present",
                present_directory().map(|directory| directory.join("dockerd")),
            ),
        };
        // The package's client speaks with both engines, so one is enough.
        let client = clients::find(&["/usr/bin/docker", "docker"]);
        let (Some(program), Some(client)) = (program, client) else {
            missing(&format!("the {name} docker engine or its client"), "bash .ci/run");
            return None;
        };
        let machine = machine.clone();
        let engine = Self { machine, client, name };
        engine.launch(&program);
        Some(engine)
    }

    fn launch(&self, program: &Path) {
        let state = |part: &str| self.machine.path(&format!("{}-{part}", self.name));
        let configuration = state("engine.json");
        fs::write(&configuration, configuration_for(&self.machine, self.name)).expect("engine configuration");
        let mut command = self.machine.daemon(program);
        // An engine starts the containerd, shim and runc that stand beside it.
        let own = program.parent().expect("a file has a directory").to_path_buf();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).expect("PATH");
        command
            .env("PATH", path)
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
            .args(["--host", &format!("unix://{}", state("docker.sock").display())])
            .arg("--config-file")
            .arg(configuration)
            .arg("--data-root")
            .arg(state("data"))
            .arg("--exec-root")
            .arg(state("exec"))
            .arg("--pidfile")
            .arg(state("pid"))
            .process_group(0);
        daemon::launch(&mut command, &state("engine.log"), || {
            daemon::succeeds(&mut self.docker(["version"]))
        });
    }

    /// `docker ARGUMENTS` against this engine.
    pub(crate) fn docker<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.machine.command(&self.client);
        command
            .env("DOCKER_CONFIG", self.machine.path(&format!("{}-client", self.name)))
            // The classic builder is in every engine; buildx is a plug-in that may be missing.
            .env("DOCKER_BUILDKIT", "0")
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .args([
                "--host",
                &format!(
                    "unix://{}",
                    self.machine.path(&format!("{}-docker.sock", self.name)).display()
                ),
            ])
            .args(arguments);
        command
    }

    /// Makes this machine's engines trust the registry under its host name, as a user does.
    pub(crate) fn trust(&self, lockgate: &Lockgate) {
        let directory = self.machine.etc_docker().join("certs.d").join(lockgate.address());
        fs::create_dir_all(&directory).expect("certs.d");
        fs::copy(lockgate.authority(), directory.join("ca.crt")).expect("ca.crt");
    }

    /// `docker login` with the account of the set-up.
    pub(crate) fn login(&self, lockgate: &Lockgate, address: &str) {
        let mut command = self.docker(["login", "--username", lockgate.account(), "--password-stdin", address]);
        let answer = command.ok_with_input(lockgate.password().as_bytes());
        assert!(answer.contains("Login Succeeded"), "{answer}");
    }

    /// `docker run` without a network; what the container prints.
    pub(crate) fn output_of(&self, image: &str, command: &[&str]) -> String {
        self.docker(
            ["run", "--rm", "--network", "none", image]
                .into_iter()
                .chain(command.iter().copied()),
        )
        .ok()
    }
}

/// A machine with an engine, where images can be made.
pub(crate) fn in_machine(generation: Generation) -> Option<(Arc<Machine>, Engine)> {
    let machine = images::machine()?;
    let engine = Engine::start(&machine, generation)?;
    Some((machine, engine))
}

/// The same with a Lockgate that the engine trusts and is logged in to.
pub(crate) fn logged_in(generation: Generation) -> Option<(Arc<Machine>, Engine, Lockgate)> {
    let (machine, engine) = in_machine(generation)?;
    let lockgate = Lockgate::start(&machine);
    engine.trust(&lockgate);
    engine.login(&lockgate, &lockgate.address());
    Some((machine, engine, lockgate))
}

/// The engines choose well by themselves, but for the present one where overlays cannot be stacked: in a container.
fn configuration_for(machine: &Machine, name: &str) -> &'static str {
    let file_system = statfs(&machine.path("")).expect("statfs").filesystem_type();
    if name == "present" && file_system == OVERLAYFS_SUPER_MAGIC {
        r#"{"storage-driver": "native"}"#
    } else {
        "{}"
    }
}

/// Where `.ci/run` keeps the present engine.
fn present_directory() -> Option<PathBuf> {
    clients::built_directory().filter(|directory| directory.join("dockerd").is_file())
}
