//! Processes are killed again and again while real docker pushes and pulls.

use std::cell::Cell;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use super::support::clients::say;
use super::support::engine::{Engine, Generation};
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
    proxy_is_killed(Generation::Old);
}

fn registry_is_killed(generation: Generation) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machine) = images::can_be_made().then(Machine::start).flatten() else {
        return;
    };
    let Some(engine) = Engine::start(&machine, generation) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let rounds = Rounds::new(&machine, &engine, &lockgate);
    // Without kills first: what pulls take then.
    let calm = rounds.run(CALM_ROUNDS, duration(0) / 3);
    let (report, kills) = with_kills(&lockgate, "registry", REGISTRY_EVERY, || {
        rounds.run(SIZES.len(), duration(25))
    });
    say(&format!("without kills: {calm}"));
    say(&format!("the registry killed {kills} times: {report}"));
    say(&restarts(&lockgate, "registry"));
    assert!(
        report.failures.is_empty(),
        "{:#?}\n{}",
        report.failures,
        lockgate.logs()
    );
    assert!(kills > 2, "{kills}");
}

fn proxy_is_killed(generation: Generation) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machine) = images::can_be_made().then(Machine::start).flatten() else {
        return;
    };
    let Some(engine) = Engine::start(&machine, generation) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    let rounds = Rounds::new(&machine, &engine, &lockgate);
    let (over, is_over) = mpsc::channel::<()>();
    let ((report, kills), connections) = std::thread::scope(|scope| {
        let machine = &machine;
        let connecting = scope.spawn(move || connect_until(machine, &is_over));
        let result = with_kills(&lockgate, "proxy", PROXY_EVERY, || rounds.run(2, duration(45)));
        drop(over);
        (result, connecting.join().expect("it does not panic"))
    });
    say(&format!("the proxy killed {kills} times: {report}"));
    say(&restarts(&lockgate, "proxy"));
    say(&connections);
    // A command fails when the very request that cannot be repeated was cut: one a kill at most.
    assert!(
        report.failures.len() <= kills,
        "{:#?}\n{}",
        report.failures,
        lockgate.logs()
    );
    assert!(kills > 1, "{kills}");
    assert!(connections.starts_with("0 refused"), "{connections}");
}

/// How long kills go on: `LOCKGATE_FAULT_SECONDS`, by hand 120.
fn duration(usual: u64) -> Duration {
    let seconds = std::env::var("LOCKGATE_FAULT_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(usual))
}

/// Runs `work` while `process` is killed every so often; how often it was.
fn with_kills<T>(lockgate: &Lockgate, process: &str, every: Duration, work: impl FnOnce() -> T) -> (T, usize) {
    let (over, is_over) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let killing = scope.spawn(move || {
            let mut kills = 0;
            while is_over.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
                lockgate.kill(process);
                kills += 1;
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
    engine: &'m Engine<'m>,
    address: String,
    next: Cell<u32>,
}

/// What the commands of some rounds took.
#[derive(Default)]
struct Report {
    commands: usize,
    retries: usize,
    failures: Vec<String>,
    /// MiB, push, pull.
    times: Vec<(u32, Duration, Duration)>,
}

impl<'m> Rounds<'m> {
    fn new(machine: &'m Machine, engine: &'m Engine<'m>, lockgate: &Lockgate) -> Self {
        engine.trust(lockgate);
        engine.login(lockgate, &lockgate.address());
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

        let push = report.command(self.engine.docker(["push", &image]));
        self.engine.docker(["rmi", &image]).ok();
        let (Some(push), Some(pull)) = (push, report.command(self.engine.docker(["pull", &image]))) else {
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
    fn command(&mut self, mut command: Command) -> Option<Duration> {
        let begun = Instant::now();
        let output = command.output().expect("docker starts");
        self.commands += 1;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        self.retries += said.matches("Retrying in").count();
        if !output.status.success() {
            let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
            self.failures
                .push(format!("docker {}: {said}", words[words.len() - 2..].join(" ")));
            return None;
        }
        Some(begun.elapsed())
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
                format!(
                    "{median:.1?}, slowest {:.1?}",
                    times.last().copied().unwrap_or_default()
                )
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
    let log = lockgate.logs();
    let took = |line: &str| {
        Some(
            line.split_once("took_ms")?
                .1
                .trim_matches(|c: char| !c.is_ascii_digit())
                .to_owned(),
        )
    };
    let mut times: Vec<u64> = log
        .lines()
        .filter(|line| line.contains("ready") && line.contains(process))
        .filter_map(|line| {
            let digits: String = took(line)?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let slowest = times.last().copied().unwrap_or_default();
    format!(
        "{process} ready {} times, after {median} ms, at the slowest {slowest} ms",
        times.len()
    )
}

/// Connects in a tight loop inside the machine; how often it was refused, and how it was otherwise.
fn connect_until(machine: &Machine, is_over: &mpsc::Receiver<()>) -> String {
    let mut child = machine
        .daemon(std::env::current_exe().expect("this test"))
        .args(["--exact", "kill_loops::connects", "--ignored", "--nocapture"])
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
