//! Processes are killed again and again while real docker pushes and pulls.

use std::cell::Cell;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use lockgate_testkit::{eventually_within, say};

use super::support::engine::{self, Engine, Generation};
use super::support::images;
use super::support::lockgate::{Lockgate, PORT};
use super::support::machine::{ADDRESS, Machine, Run};

/// Layers in MiB, one after the other; the large one takes longer than the time between two kills.
const SIZES: [u32; 3] = [50, 500, 50];
const CALM_ROUNDS: usize = 1;
const REGISTRY_EVERY: Duration = Duration::from_secs(5);
const PROXY_EVERY: Duration = Duration::from_secs(20);

/// One at a time: each keeps both cores and the disk busy.
static ALONE: Mutex<()> = Mutex::new(());

// proves: SECURE-11
#[test]
fn old_engine_pushes_and_pulls_while_the_registry_is_killed_again_and_again() {
    registry_is_killed(Generation::Old);
}

// proves: SECURE-11
#[test]
fn present_engine_pushes_and_pulls_while_the_registry_is_killed_again_and_again() {
    registry_is_killed(Generation::Present);
}

// proves: SECURE-11, MOSI-22
#[test]
fn old_engine_pushes_and_pulls_while_the_proxy_is_killed_again_and_again() {
    proxy_is_killed(Generation::Old, 45);
}

// proves: SECURE-11, MOSI-22
#[test]
fn present_engine_pushes_and_pulls_while_the_proxy_is_killed_again_and_again() {
    proxy_is_killed(Generation::Present, 22);
}

fn registry_is_killed(generation: Generation) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((machine, engine, lockgate)) = engine::logged_in(generation) else {
        return;
    };
    let rounds = Rounds::new(&machine, &engine, &lockgate);
    // Without kills first: what pulls take then.
    let calm = rounds.run(CALM_ROUNDS, duration(0) / 3);
    let (report, kills) = with_kills(&lockgate, "registry", REGISTRY_EVERY, || {
        rounds.run(SIZES.len(), duration(25))
    });
    say(&format!("without kills: {calm}"));
    say(&format!("the registry killed {} times: {report}", kills.len()));
    say(&restarts(&lockgate, "registry"));
    assert!(
        report.failures.is_empty(),
        "{:#?}\n{}",
        report.failures,
        lockgate.logs()
    );
    assert!(kills.len() > 2, "{kills:?}");
}

/// For so many seconds, unless told otherwise.
fn proxy_is_killed(generation: Generation, usual: u64) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((machine, engine, lockgate)) = engine::logged_in(generation) else {
        return;
    };
    let rounds = Rounds::new(&machine, &engine, &lockgate);
    let (over, is_over) = mpsc::channel::<()>();
    let ((report, kills), connections) = std::thread::scope(|scope| {
        let machine = &machine;
        let connecting = scope.spawn(move || connect_until(machine, &is_over));
        let result = with_kills(&lockgate, "proxy", PROXY_EVERY, || rounds.run(2, duration(usual)));
        drop(over);
        (result, connecting.join().expect("it does not panic"))
    });
    say(&format!("the proxy killed {} times: {report}", kills.len()));
    say(&restarts(&lockgate, "proxy"));
    say(&connections);
    for failure in &report.failures {
        say(&failure.to_string());
        assert!(failure.is_explained_by(&kills), "{failure:#?}\n{}", lockgate.logs());
    }
    assert!(!kills.is_empty());
    assert!(connections.starts_with("0 refused"), "{connections}");
}

/// The engine tries again by itself, from the first byte; once is enough when nothing else happens.
// proves: SECURE-11, MOSI-22
#[test]
fn old_engine_pushes_again_what_one_kill_of_the_proxy_cut() {
    const MEBIBYTES: u32 = 100;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((machine, engine, lockgate)) = engine::logged_in(Generation::Old) else {
        return;
    };
    let image = format!("{}/app:1", lockgate.address());
    let layer = images::noise_layer(&machine, "noise", MEBIBYTES, 1);
    images::import(&engine, &layer, &image, r#"["/bin/busybox", "wc", "-c", "/noise"]"#);
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| report.docker(&engine, "push", &image, MEBIBYTES));
        eventually_within(Duration::from_secs(60), "a part of it is there", || {
            arrived(&lockgate, "app") > 16 << 20 || pushing.is_finished()
        });
        lockgate.kill("proxy");
    });
    say(&format!("the proxy killed once: {report}"));
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert_eq!(report.retries, 1);
    engine.docker(["rmi", &image]).ok();
    engine.docker(["pull", &image]).ok();
    assert_eq!(engine.output_of(&image, &[]), "104857600 /noise");
}

/// Bytes of the repository's uploads, none of which has ended.
fn arrived(lockgate: &Lockgate, repository: &str) -> u64 {
    let repositories = lockgate.home().join("data/docker/registry/v2/repositories");
    let uploads = fs::read_dir(repositories.join(repository).join("_uploads"));
    let sizes = uploads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|upload| Some(fs::metadata(upload.path().join("data")).ok()?.len()));
    sizes.sum()
}

/// How long kills go on: `LOCKGATE_FAULT_SECONDS`, by hand 120.
fn duration(usual: u64) -> Duration {
    let seconds = std::env::var("LOCKGATE_FAULT_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(usual))
}

/// Runs `work` while `process` is killed every so often; when it was.
fn with_kills<T>(lockgate: &Lockgate, process: &str, every: Duration, work: impl FnOnce() -> T) -> (T, Vec<Instant>) {
    let (over, is_over) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let killing = scope.spawn(move || {
            let mut kills = Vec::new();
            while is_over.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
                kills.push(Instant::now());
                lockgate.kill(process);
            }
            kills
        });
        let result = work();
        drop(over);
        (result, killing.join().expect("it is killed"))
    })
}

/// Images that are made, pushed, forgotten, pulled and looked at, one after the other.
struct Rounds<'m> {
    machine: &'m Machine,
    engine: &'m Engine,
    address: String,
    next: Cell<u32>,
}

/// What the commands of some rounds took.
#[derive(Default)]
struct Report {
    commands: usize,
    retries: usize,
    failures: Vec<Failure>,
    /// MiB, push, pull.
    times: Vec<(u32, Duration, Duration)>,
}

/// A command that did not exit with 0.
#[derive(Debug)]
struct Failure {
    /// `push` or `pull`.
    verb: &'static str,
    mebibytes: u32,
    began: Instant,
    ended: Instant,
    retries: usize,
    /// All that docker said; the reason last.
    said: String,
}

impl<'m> Rounds<'m> {
    fn new(machine: &'m Machine, engine: &'m Engine, lockgate: &Lockgate) -> Self {
        Self {
            machine,
            engine,
            address: lockgate.address(),
            next: Cell::new(0),
        }
    }

    /// At least so many rounds, and for at least so long.
    fn run(&self, rounds: usize, long: Duration) -> Report {
        let begun = Instant::now();
        let mut report = Report::default();
        for done in 0.. {
            if done >= rounds && begun.elapsed() >= long {
                break;
            }
            self.round(SIZES[done % SIZES.len()], &mut report);
        }
        report
    }

    fn round(&self, mebibytes: u32, report: &mut Report) {
        let number = self.next.replace(self.next.get() + 1);
        let name = format!("noise{number}");
        let layer = images::noise_layer(self.machine, &name, mebibytes, u64::from(number) + 1000);
        let hash = format!("tar -xOf {} ./noise | sha256sum", layer.display());
        let hash = self.machine.command("sh").args(["-c", &hash]).ok();
        let image = format!("{}/app/{number}:1", self.address);
        images::import(
            self.engine,
            &layer,
            &image,
            r#"["/bin/busybox", "sha256sum", "/noise"]"#,
        );
        fs::remove_file(layer).expect("imported");

        let push = report.docker(self.engine, "push", &image, mebibytes);
        self.engine.docker(["rmi", &image]).ok();
        let Some(push) = push else { return };
        let Some(pull) = report.docker(self.engine, "pull", &image, mebibytes) else {
            return;
        };
        // The engine has verified the digests; this shows that it is the image.
        let found = self.engine.output_of(&image, &[]);
        assert_eq!(
            found.split(' ').next(),
            hash.split(' ').next(),
            "{image} is another one"
        );
        self.engine.docker(["rmi", &image]).ok();
        report.times.push((mebibytes, push, pull));
    }
}

impl Report {
    /// How long it took; `None`, noted, when it failed.
    fn docker(&mut self, engine: &Engine, verb: &'static str, image: &str, mebibytes: u32) -> Option<Duration> {
        let began = Instant::now();
        let output = engine.docker([verb, image]).output().expect("docker starts");
        let ended = Instant::now();
        self.commands += 1;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let retries = retries(&said);
        self.retries += retries;
        if output.status.success() {
            return Some(ended - began);
        }
        self.failures.push(Failure {
            verb,
            mebibytes,
            began,
            ended,
            retries,
            said,
        });
        None
    }
}

/// How often docker began to count down to another attempt: `<layer>: Retrying in 5 seconds`, then 4, 3, …
fn retries(said: &str) -> usize {
    let waits = said.lines().filter_map(|line| {
        let (_, wait) = line.split_once("Retrying in ")?;
        wait.split(' ').next()?.parse::<u32>().ok()
    });
    let mut before = 0;
    waits
        .filter(|wait| std::mem::replace(&mut before, *wait) < *wait)
        .count()
}

/// How a client says that its connection ended under a request.
const CUT: [&str; 6] = [
    "EOF",
    "connection reset by peer",
    "broken pipe",
    "use of closed network connection",
    "http2: client connection lost",
    "http2: server sent GOAWAY",
];

impl Failure {
    /// Every attempt was itself cut, by a kill of its own, and nothing else happened: no refusal, no answer of an error.
    fn is_explained_by(&self, kills: &[Instant]) -> bool {
        let is_meanwhile = |kill: &&Instant| (self.began..self.ended).contains(*kill);
        let is_cut = CUT.iter().any(|cut| self.reason().contains(cut)) && !self.reason().contains("refused");
        is_cut && kills.iter().filter(is_meanwhile).count() > self.retries
    }

    fn reason(&self) -> &str {
        self.said.trim_end().lines().last().unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, size, retries, reason) = (self.verb, self.mebibytes, self.retries, self.reason());
        let took = self.ended - self.began;
        write!(
            f,
            "{verb} of {size} MiB failed after {retries} retries in {took:.1?}: {reason}"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (commands, failures, retries) = (self.commands, self.failures.len(), self.retries);
        write!(f, "{commands} commands, {failures} failed, {retries} retries by docker")?;
        for size in [50, 500] {
            let of_size = |pick: fn(&(u32, Duration, Duration)) -> Duration| {
                let mut times: Vec<_> = self.times.iter().filter(|round| round.0 == size).map(pick).collect();
                times.sort_unstable();
                let median = times.get(times.len() / 2).copied().unwrap_or_default();
                let slowest = times.last().copied().unwrap_or_default();
                format!("{median:.1?}, slowest {slowest:.1?}")
            };
            write!(
                f,
                "; {size} MiB: push {}, pull {}",
                of_size(|round| round.1),
                of_size(|round| round.2)
            )?;
        }
        Ok(())
    }
}

/// What the log says about starts: from the start of the process until it was ready.
fn restarts(lockgate: &Lockgate, process: &str) -> String {
    let took = |line: &str| {
        let (_, rest) = line.split_once("took_ms=")?;
        rest.split(' ').next()?.parse::<u64>().ok()
    };
    let log = lockgate.logs();
    let mut times: Vec<_> = log
        .lines()
        .filter(|line| line.contains("ready") && line.contains(process))
        .filter_map(took)
        .collect();
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
    let [median, most, slowest] = [50, 90, 100].map(|part| at(part).copied().unwrap_or_default());
    let starts = times.len();
    format!("{process} ready {starts} times, after {median} ms, 90 % within {most} ms, the slowest after {slowest} ms")
}

/// Connects in a tight loop inside the machine; how often it was refused, and how it was otherwise.
fn connect_until(machine: &Machine, is_over: &mpsc::Receiver<()>) -> String {
    let mut child = machine
        .test("kill_loops::connects")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let _ = is_over.recv();
    drop(child.stdin.take());
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().find_map(|line| line.strip_prefix("connections: "));
    found.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
#[ignore = "a child of the tests that kill the proxy"]
fn connects() {
    let is_over = std::thread::spawn(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let (mut made, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    let mut other = Vec::new();
    while !is_over.is_finished() {
        let begun = Instant::now();
        match TcpStream::connect((ADDRESS, PORT)) {
            Ok(_) => made += 1,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => refused += 1,
            Err(error) => other.push(error.to_string()),
        }
        slowest = slowest.max(begun.elapsed());
        // Tight, but within the ports that one address has.
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("\nconnections: {refused} refused, {made} made, {other:?}, the slowest in {slowest:.1?}");
}
