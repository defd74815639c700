//! The program is upgraded again and again while a client pushes 2 GiB and a load generator asks without a pause.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lockgate_testkit::{basic_auth, eventually_within, say};
use serde_json::Value;

use super::skopeo::Skopeo;
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};
use super::support::oci_layout::OciLayout;

const MEBIBYTES: u32 = 2048;
/// How much of the layer has arrived when an upgrade begins.
const UPGRADES_AT_MIB: [u64; 3] = [300, 900, 1500];
/// What the load generator has to have sent.
const REQUESTS: u64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_push_of_2_gib_and_a_load_with_keep_alive_survive_upgrades() {
    let Some(machine) = images::machine_with(&["skopeo", "wrk", "pkill"]) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let pids = || ["proxy", "registry"].map(|process| lockgate.pid_of(process));
    let (supervisor, mut serving) = (status(&lockgate)["pid"].clone(), pids());
    let layout = OciLayout::create(machine.path("layout"));
    let small = images::noise_layer(&machine, "small", 1, 2);
    layout.tag(layout.image("amd64", &[&small], &["/bin/busybox", "true"]), "small");
    let skopeo = Skopeo::new(&machine, &lockgate);
    skopeo.push(&layout.source("small"), "app:small").ok();
    let large = images::noise_layer(&machine, "large", MEBIBYTES, 1);
    layout.tag(layout.image("amd64", &[&large], &["/bin/busybox", "true"]), "large");
    let load = Load::start(&machine, &lockgate, "app", "small");
    let began = Instant::now();
    let mut push = skopeo.push(&layout.source("large"), "large:1").spawn().expect("skopeo");
    let uploads = lockgate
        .home()
        .join("data/docker/registry/v2/repositories/large/_uploads");
    for (round, mebibytes) in UPGRADES_AT_MIB.into_iter().enumerate() {
        eventually_within(PATIENCE, "more of the layer has arrived", || {
            bytes_below(&uploads) >= mebibytes << 20
        });
        lockgate.lockgate(&["upgrade"]).ok();
        let now = pids();
        assert!(serving.iter().all(|pid| !now.contains(pid)), "{serving:?} {now:?}");
        serving = now;
        let leaving = status(&lockgate)["leaving"].as_array().expect("a list").len();
        assert!(leaving >= 2, "upgrade {round}: nobody stayed for the push");
        assert!(push.try_wait().expect("wait").is_none(), "the push goes on");
    }
    assert!(push.wait().expect("wait").success(), "{}", lockgate.logs());
    say(&format!(
        "push across {} upgrades: {:.1} s",
        UPGRADES_AT_MIB.len(),
        began.elapsed().as_secs_f32()
    ));
    let said = load.end();
    say(&said.lines().map(str::trim).collect::<Vec<_>>().join("; "));
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    assert!(requests(&said) >= REQUESTS, "{said}");

    eventually_within(PATIENCE, "the old processes have ended", || {
        status(&lockgate)["leaving"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(status(&lockgate)["pid"], supervisor);
    assert_eq!(status(&lockgate)["generation"], 1 + UPGRADES_AT_MIB.len());
    // skopeo verifies each digest.
    fs::create_dir(machine.path("back")).expect("directory");
    skopeo.pull("large:1", "dir:back").ok();
    lockgate.stop();
}

/// `wrk`: so many connections, each with the next request as soon as the last one was answered.
struct Load<'m> {
    machine: &'m Machine,
    wrk: Child,
}

impl<'m> Load<'m> {
    fn start(machine: &'m Machine, lockgate: &Lockgate, repository: &str, tag: &str) -> Self {
        let authorization = format!("Authorization: {}", basic_auth(&lockgate.credentials()));
        let url = format!("https://{}/v2/{repository}/manifests/{tag}", lockgate.address());
        let wrk = machine
            .daemon("wrk")
            .args([
                "--threads",
                "1",
                "--connections",
                "8",
                "--duration",
                "10m",
                "--timeout",
                "30s",
            ])
            .args(["--header", &authorization, "--header", "Accept: */*", &url])
            .stdout(Stdio::piped())
            .spawn()
            .expect("wrk");
        Self { machine, wrk }
    }

    /// What it has to say.
    fn end(self) -> String {
        // The process here is the one that entered the machine.
        self.machine.command("pkill").args(["-INT", "-x", "wrk"]).ok();
        let output = self.wrk.wait_with_output().expect("wait");
        String::from_utf8(output.stdout).expect("text")
    }
}

/// From the line `N requests in T, B read`.
fn requests(said: &str) -> u64 {
    let line = said
        .lines()
        .find(|line| line.contains(" requests in "))
        .expect("a total");
    line.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a number")
}

fn status(lockgate: &Lockgate) -> Value {
    let output = lockgate
        .lockgate(&["status", "--json"])
        .output()
        .expect("lockgate status");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Of the files in the sessions below `directory`; they come and go.
fn bytes_below(directory: &Path) -> u64 {
    let sessions = fs::read_dir(directory).into_iter().flatten().flatten();
    sessions
        .filter_map(|session| Some(fs::metadata(session.path().join("data")).ok()?.len()))
        .sum()
}
