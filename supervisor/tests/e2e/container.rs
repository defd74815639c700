//! A container image made of the static binary alone: no shell, no libraries, no accounts, no `/tmp`.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_testkit::{eventually_within, missing};

use super::support::clients;
use super::support::engine::{Engine, Generation};
use super::support::images;
use super::support::lockgate::PORT;
use super::support::machine::{HOST, Machine, Run};

const IMAGE: &str = "lockgate";
const HOME: &str = "/var/lib/lockgate";
const ACCOUNT: &str = "alice";
const PASSWORD: &str = "correct horse battery";
/// Seconds that `docker stop` gives; a drain without requests takes far less.
const STOP: u64 = 20;

// proves: SECURE-18, HOMELAB-09
#[test]
fn a_container_from_scratch_leaves_nothing_behind() {
    let Some((machine, binary)) = can_run() else { return };
    let Some(engine) = Engine::start(&machine, Generation::Old) else {
        return;
    };
    build(&machine, &engine, &binary);
    let container = Container::start(&engine, "one", &[]);
    container.trust(&machine);
    push_pull_run(&machine, &engine, 1);
    container.reaps_orphans();
    container.hears_signals();
    container.stop();
    assert_eq!(engine.docker(["ps", "--all", "--quiet"]).ok(), "");
    assert_eq!(engine.docker(["volume", "ls", "--quiet"]).ok(), "");
}

// proves: SECURE-18, HOMELAB-09
#[test]
fn a_volume_keeps_everything_for_the_next_container() {
    let Some((machine, binary)) = can_run() else { return };
    let Some(engine) = Engine::start(&machine, Generation::Old) else {
        return;
    };
    build(&machine, &engine, &binary);
    let volume = format!("registry:{HOME}");
    let first = Container::start(&engine, "first", &["--volume", &volume]);
    first.trust(&machine);
    let image = push_pull_run(&machine, &engine, 2);
    first.stop();
    // The same authority, accounts and images: nobody has to be told anything.
    let second = Container::start(&engine, "second", &["--volume", &volume]);
    engine.docker(["pull", &image]).ok();
    push_pull_run(&machine, &engine, 3);
    second.stop();
    engine.docker(["volume", "rm", "registry"]).ok();
}

fn can_run() -> Option<(Arc<Machine>, PathBuf)> {
    let Some(binary) = std::env::var_os("LOCKGATE_STATIC_BIN").map(PathBuf::from) else {
        missing("a static binary in LOCKGATE_STATIC_BIN", "bash .ci/run");
        return None;
    };
    let machine = images::machine()?;
    Some((machine, binary))
}

/// What a Dockerfile with `FROM scratch` gives, without a builder.
fn build(machine: &Machine, engine: &Engine, binary: &PathBuf) {
    fs::create_dir(machine.path("image")).expect("image");
    fs::copy(binary, machine.path("image/lockgate")).expect("the static binary");
    let layer = machine.path("image.tar");
    machine
        .command("tar")
        .args(["-C", "image", "-cf"])
        .arg(&layer)
        .arg("lockgate")
        .ok();
    engine
        .docker([
            "import",
            "--change",
            r#"ENTRYPOINT ["/lockgate"]"#,
            "--change",
            r#"CMD ["start"]"#,
        ])
        .args(["--change", &format!("ENV LOCKGATE_HOME={HOME}")])
        .arg(&layer)
        .arg(IMAGE)
        .ok();
}

/// A layer with a command, pushed to the container, forgotten, pulled and run; the image.
fn push_pull_run(machine: &Machine, engine: &Engine, number: u64) -> String {
    let address = format!("{HOST}:{PORT}");
    let login = ["login", "--username", ACCOUNT, "--password-stdin", &address];
    engine.docker(login).ok_with_input(PASSWORD.as_bytes());
    let image = format!("{address}/app/{number}:1");
    let layer = images::noise_layer(machine, &format!("noise{number}"), 8, number);
    images::import(engine, &layer, &image, r#"["/bin/busybox", "wc", "-c", "/noise"]"#);
    engine.docker(["push", &image]).ok();
    engine.docker(["rmi", &image]).ok();
    engine.docker(["pull", &image]).ok();
    assert_eq!(engine.output_of(&image, &[]), "8388608 /noise");
    engine.docker(["rmi", &image]).ok();
    image
}

struct Container<'e> {
    engine: &'e Engine,
    name: &'e str,
}

impl<'e> Container<'e> {
    /// In the machine's own network: the engine has no bridge.
    fn start(engine: &'e Engine, name: &'e str, options: &[&str]) -> Self {
        let account = [
            format!("LOCKGATE_USERNAME={ACCOUNT}"),
            format!("LOCKGATE_PASSWORD={PASSWORD}"),
        ];
        engine
            .docker(["run", "--detach", "--network", "host", "--name", name])
            .args(["--env", &account[0], "--env", &account[1]])
            .args(options)
            .args([
                IMAGE,
                "start",
                "--hostname",
                HOST,
                "--listen",
                &format!("0.0.0.0:{PORT}"),
            ])
            .ok();
        let container = Self { engine, name };
        eventually_within(Duration::from_secs(30), "the container serves", || {
            let status = container.exec(&["/lockgate", "status"]).output().expect("docker");
            let ended = || engine.docker(["inspect", "--format", "{{.State.Running}}", name]).ok() == "false";
            assert!(status.status.success() || !ended(), "it ended: {}", container.logs());
            status.status.success()
        });
        container
    }

    fn exec(&self, command: &[&str]) -> std::process::Command {
        let mut exec = self.engine.docker(["exec", self.name]);
        exec.args(command);
        exec
    }

    fn logs(&self) -> String {
        let output = self.engine.docker(["logs", self.name]).output().expect("docker");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn trust(&self, machine: &Machine) {
        let directory = machine.etc_docker().join("certs.d").join(format!("{HOST}:{PORT}"));
        fs::create_dir_all(&directory).expect("certs.d");
        let from = format!("{}:{HOME}/tls/ca.crt", self.name);
        self.engine
            .docker(["cp", &from, &directory.join("ca.crt").to_string_lossy()])
            .ok();
    }

    /// A shell is lent to it: its child is an orphan before it ends.
    fn reaps_orphans(&self) {
        let busybox = clients::find(&["/bin/busybox", "/usr/bin/busybox"]).expect("asked before");
        let target = format!("{}:/busybox", self.name);
        self.engine.docker(["cp", &busybox.to_string_lossy(), &target]).ok();
        let orphan = "/busybox sh -c '/busybox sleep 1 &'; /busybox ps -o ppid,args | /busybox grep slee[p]";
        let seen = self.exec(&["/busybox", "sh", "-c", orphan]).ok();
        assert!(seen.lines().any(|line| line.trim() == "1 /busybox sleep 1"), "{seen}");
        eventually_within(Duration::from_secs(10), "the orphan is gone", || {
            let left = self.exec(&["/busybox", "ps", "-o", "stat,args"]).ok();
            !left.contains("sleep") && !left.lines().any(|line| line.trim_start().starts_with('Z'))
        });
    }

    /// SIGHUP reloads; SIGTERM is what `docker stop` sends.
    fn hears_signals(&self) {
        self.engine.docker(["kill", "--signal", "HUP", self.name]).ok();
        self.exec(&["/lockgate", "status"]).ok();
    }

    /// Ends in order, and is removed.
    fn stop(self) {
        let begun = Instant::now();
        self.engine
            .docker(["stop", "--time", &STOP.to_string(), self.name])
            .ok();
        let took = begun.elapsed();
        let code = self
            .engine
            .docker(["inspect", "--format", "{{.State.ExitCode}}", self.name])
            .ok();
        assert_eq!(code, "0", "{}", self.logs());
        assert!(took < Duration::from_secs(STOP), "{took:?}: {}", self.logs());
        self.engine.docker(["rm", self.name]).ok();
    }
}
