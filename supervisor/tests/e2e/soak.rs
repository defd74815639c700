//! Everything at once for a while: memory, descriptors and threads stay where they are.
//!
//! `LOCKGATE_SOAK_SECONDS=600` by hand, in a release build. The load runs in the machine: the test starts its own program
//! again in there.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lockgate_testkit::answer::with_digest;
use lockgate_testkit::{process, require, say, sha256};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::lockgate::{Lockgate, PORT};
use super::support::machine::{ADDRESS, Machine, Run};

/// Seconds in CI.
const USUAL: u64 = 20;
const SAMPLES: u32 = 40;
/// Different contents of each worker: what is pushed again and again fills no disk.
const CONTENTS: usize = 8;
/// Between the second quarter and the last one, beside a quarter more.
const MEMORY_KIB: u64 = 8 * 1024;
/// At any time: a process that keeps the memory of each password check has more.
const MOST_KIB: u64 = 64 * 1024;
const DESCRIPTORS: u64 = 48;
const THREADS: u64 = 24;

// proves: MOSI-18
#[test]
fn mixed_load_leaves_memory_and_descriptors_flat() {
    let Some(machine) = require(&["curl"]).then(Machine::start).flatten() else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let seconds = std::env::var("LOCKGATE_SOAK_SECONDS").unwrap_or(USUAL.to_string());
    let mut load = machine.test("soak::in_the_machine");
    load.env("SOAK_SECONDS", seconds)
        .env("SOAK_URL", format!("https://{}/v2/", lockgate.address()))
        .env("SOAK_LOGIN", lockgate.credentials())
        .env("SOAK_AUTHORITY", lockgate.authority())
        .env("SOAK_REGISTRY", lockgate.pid_of("registry").to_string())
        .env("SOAK_PROXY", lockgate.pid_of("proxy").to_string());
    let said = load.ok();
    said.lines()
        .filter_map(|line| line.strip_prefix("soak: "))
        .for_each(say);
}

/// What the workers share.
struct Load {
    url: String,
    login: String,
    authority: String,
    end: Instant,
    /// How often curl said what: HTTP status, or its own exit code.
    answers: Mutex<BTreeMap<String, u64>>,
    reloads: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    pss_kib: u64,
    descriptors: u64,
    threads: u64,
}

#[test]
#[ignore = "the test above runs it in its machine"]
fn in_the_machine() {
    let variable = |name: &str| std::env::var(name).expect("set by the test above");
    let seconds: u64 = variable("SOAK_SECONDS").parse().expect("a number");
    let registry: u32 = variable("SOAK_REGISTRY").parse().expect("a pid");
    let proxy: u32 = variable("SOAK_PROXY").parse().expect("a pid");
    let processes = [
        ("supervisor", parent_of(registry)),
        ("proxy", proxy),
        ("registry", registry),
    ];
    let load = Load {
        url: variable("SOAK_URL"),
        login: variable("SOAK_LOGIN"),
        authority: variable("SOAK_AUTHORITY"),
        end: Instant::now() + Duration::from_secs(seconds),
        answers: Mutex::default(),
        reloads: AtomicU64::default(),
    };
    let scratch = tempfile::tempdir().expect("a directory");
    let mut samples: Vec<Vec<Sample>> = processes.iter().map(|_| Vec::new()).collect();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (load, scratch) = (&load, scratch.path());
            scope.spawn(move || load.push_pull_delete(scratch, worker));
        }
        scope.spawn(|| load.be_rude(scratch.path()));
        scope.spawn(|| load.reload(processes[0].1));
        for _ in 0..SAMPLES {
            std::thread::sleep(Duration::from_secs(seconds) / SAMPLES);
            for (samples, (_, pid)) in samples.iter_mut().zip(processes) {
                samples.push(sample(pid));
            }
        }
    });
    let answers = load.answers.into_inner().expect("no worker panicked");
    let reloads = load.reloads.into_inner();
    println!("\nsoak: {seconds} s: {answers:?}, {reloads} reloads");
    for (samples, (name, _)) in samples.iter().zip(processes) {
        let quarter = samples.len() / 4;
        let (early, late) = (usual(&samples[quarter..2 * quarter]), usual(&samples[3 * quarter..]));
        let most_kib = samples.iter().map(|sample| sample.pss_kib).max().unwrap_or_default();
        println!("soak: {name}: usual in the second quarter {early:?}, in the last {late:?}; most {most_kib} KiB");
        assert!(
            late.pss_kib <= early.pss_kib * 5 / 4 + MEMORY_KIB,
            "{name}: {samples:?}"
        );
        assert!(most_kib <= MOST_KIB, "{name}: {samples:?}");
        assert!(
            late.descriptors <= early.descriptors * 5 / 4 + DESCRIPTORS,
            "{name}: {samples:?}"
        );
        assert!(late.threads <= early.threads * 5 / 4 + THREADS, "{name}: {samples:?}");
    }
    let failed: Vec<_> = answers
        .keys()
        .filter(|answer| answer.starts_with('5') || answer.starts_with("curl"))
        .collect();
    assert!(failed.is_empty(), "{answers:?}");
}

impl Load {
    /// New and known layers, manifests, tags, deletes; HTTP/1.1 and HTTP/2 by turns, each request on a new connection.
    fn push_pull_delete(&self, scratch: &Path, worker: usize) {
        let name = format!("soak/{worker}");
        for round in 0.. {
            if Instant::now() >= self.end {
                break;
            }
            let http = if round % 2 == 0 { "--http1.1" } else { "--http2" };
            let file = scratch.join(format!("layer{worker}"));
            let mut content = format!("{worker} {}", round % CONTENTS).into_bytes().repeat(1 << 17);
            content.extend((round % CONTENTS).to_le_bytes());
            fs::write(&file, &content).expect("layer");
            let layer = sha256(&content);
            let begun = self.curl(http, &["--request", "POST"], &format!("{name}/blobs/uploads/"));
            let Some(upload) = begun else { continue };
            let data = format!("@{}", file.display());
            let octets = "Content-Type: application/octet-stream";
            self.curl(
                http,
                &["--request", "PUT", "--header", octets, "--data-binary", &data],
                &with_digest(&upload, &layer),
            );
            let kind = "application/vnd.oci.image";
            let manifest = format!(
                r#"{{"schemaVersion":2,"mediaType":"{kind}.manifest.v1+json","config":{{"mediaType":"{kind}.config.v1+json","digest":"{layer}","size":{size}}},"layers":[]}}"#,
                size = content.len()
            );
            let of = format!("Content-Type: {kind}.manifest.v1+json");
            self.curl(
                http,
                &["--request", "PUT", "--header", &of, "--data-binary", &manifest],
                &format!("{name}/manifests/latest"),
            );
            self.curl(http, &[], &format!("{name}/tags/list"));
            self.curl(http, &[], &format!("{name}/manifests/latest"));
            self.curl(http, &[], &format!("{name}/blobs/{layer}"));
            self.curl(
                http,
                &["--request", "DELETE"],
                &format!("{name}/manifests/{}", sha256(manifest.as_bytes())),
            );
            self.curl(http, &["--request", "DELETE"], &format!("{name}/blobs/{layer}"));
        }
    }

    /// Wrong passwords; uploads and downloads that are given up; what is no TLS at all.
    fn be_rude(&self, scratch: &Path) {
        let content = vec![7; 4 << 20];
        let (large, blob) = (scratch.join("large"), format!("rude/blobs/{}", sha256(&content)));
        fs::write(&large, &content).expect("layer");
        let data = format!("@{}", large.display());
        let whole = [
            "--data-binary",
            &data,
            "--header",
            "Content-Type: application/octet-stream",
        ];
        let upload = self.curl("--http2", &["--request", "POST"], "rude/blobs/uploads/");
        let put = with_digest(&upload.expect("a new upload"), &sha256(&content));
        self.curl("--http2", &[&["--request", "PUT"], &whole[..]].concat(), &put);
        let given_up = ["--limit-rate", "500k", "--max-time", "0.5"];
        while Instant::now() < self.end {
            self.curl("--http1.1", &["--user", "nobody:wrong"], "");
            if let Some(upload) = self.curl("--http2", &["--request", "POST"], "rude/blobs/uploads/") {
                let patch = [&["--request", "PATCH"], &whole[..], &given_up[..]].concat();
                self.curl("--http1.1", &patch, &upload);
                self.curl("--http2", &["--request", "DELETE"], &upload);
            }
            for http in ["--http1.1", "--http2"] {
                self.curl(http, &given_up, &blob);
            }
            for nonsense in ["", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\0\x01"] {
                let mut stream = TcpStream::connect((ADDRESS, PORT)).expect("it is never refused");
                stream.write_all(nonsense.as_bytes()).expect("the sockets hold it");
            }
        }
    }

    /// The configuration is read and applied again, once a second.
    fn reload(&self, supervisor: u32) {
        let supervisor = Pid::from_raw(supervisor.try_into().expect("a pid"));
        while Instant::now() < self.end {
            kill(supervisor, Signal::SIGHUP).expect("it runs");
            self.reloads.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Counts the answer, and gives its `Location`.
    fn curl(&self, http: &str, options: &[&str], target: &str) -> Option<String> {
        let url = if target.starts_with("https:") {
            target.to_owned()
        } else {
            format!("{}{target}", self.url)
        };
        let output = Command::new("curl")
            .args([
                "--silent",
                "--output",
                "/dev/null",
                "--cacert",
                &self.authority,
                "--user",
                &self.login,
                http,
            ])
            .args(options)
            .args(["--write-out", "%{http_code} %header{location}", &url])
            .output()
            .expect("curl");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (status, location) = said.split_once(' ').unwrap_or((&said, ""));
        // 28: given up, as told.
        let answer = match output.status.code() {
            Some(0) => status.to_owned(),
            Some(28) => "given up".to_owned(),
            code => format!("curl {code:?} {options:?}"),
        };
        *self
            .answers
            .lock()
            .expect("no worker panicked")
            .entry(answer)
            .or_default() += 1;
        (output.status.success() && status == "202" && !location.is_empty()).then(|| location.to_owned())
    }
}

fn parent_of(pid: u32) -> u32 {
    process::status(pid, "PPid").parse().expect("a pid")
}

fn sample(pid: u32) -> Sample {
    Sample {
        pss_kib: pss_kib(pid),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64),
        threads: process::status(pid, "Threads").parse().expect("a number"),
    }
}

fn pss_kib(pid: u32) -> u64 {
    let file = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    process::memory_kib_in(&text, "Pss")
}

/// The median of each: a password check takes 19 MiB for some milliseconds, and whether a sample sees that is chance.
fn usual(samples: &[Sample]) -> Sample {
    let median = |field: fn(&Sample) -> u64| {
        let mut values: Vec<_> = samples.iter().map(field).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    Sample {
        pss_kib: median(|sample| sample.pss_kib),
        descriptors: median(|sample| sample.descriptors),
        threads: median(|sample| sample.threads),
    }
}
