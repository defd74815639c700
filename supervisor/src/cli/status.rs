//! `lockgate status`: the state of each process, and whether clients are served.

use std::io;

use clap::{Args, ValueEnum};
use lockgate_config::Home;
use serde::Serialize;

use crate::bootstrap::places::HomeArgument;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::supervisor::control::{ProcessStatus, Request, Status, ask_running};
use crate::supervisor::health_request::Endpoint;

/// Says how each process is (state, pid, uptime, restarts, address), and asks for /readyz as a client does.
///
/// Exit 0: clients are served. Exit 1: they are not. Exit 3: they are, and there is something to mend, with a line for
/// each: a refused reload, a certificate that clients will refuse, a failed upgrade, a log that takes nothing, a full
/// disk, limits that are reached.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: HomeArgument,
    /// For health checks: print nothing but the failure, and never exit 3. ready: clients are served, as /readyz says;
    /// live: the supervisor runs, which restarts the rest
    #[arg(long, value_name = "WHAT", conflicts_with = "json")]
    probe: Option<Probe>,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
}

/// What a health check asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Probe {
    Live,
    Ready,
}

/// What the supervisor reports, and how a request of a client was answered.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    status: Status,
    serving: bool,
    /// Why clients are not served, or what there is to mend.
    problems: Vec<String>,
}

impl Report {
    fn of(status: Status) -> Self {
        let served = served(&status);
        let serving = served.is_ok();
        let mut problems = served.unwrap_or_else(|reason| vec![format!("clients are not served: {reason}")]);
        let full = status.endpoint.as_ref().filter(|_| serving).and_then(Endpoint::is_full);
        problems.extend(full);
        problems.extend(status.problems());
        Self {
            serving,
            problems,
            status,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let home = arguments.home.home(environment);
    let asked = ask_running(&home.control_socket(), &Request::Status);
    let status: Status = asked.map_err(|error| not_answering(&home, &error))?;
    match arguments.probe {
        Some(Probe::Live) => return Ok(()),
        Some(Probe::Ready) => return served(&status).map(drop).map_err(Failure::new),
        None => {}
    }
    let report = Report::of(status);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(Failure::new)?);
    } else {
        print!("{}", table(&report));
    }
    match (report.serving, report.problems.is_empty()) {
        (false, _) => Err(Failure::silent()),
        (true, false) => Err(Failure::undone()),
        (true, true) => Ok(()),
    }
}

/// What the registry remarks about itself, or why clients are not served. Those who wait for a process that starts again
/// are served.
fn served(status: &Status) -> Result<Vec<String>, String> {
    let waiting = status.processes.iter().find(|process| process.state != "ready");
    let asked = match &status.endpoint {
        Some(endpoint) if !waiting.is_some_and(ends) => endpoint.ask(),
        // A supervisor of an older version does not say where.
        None if waiting.is_none() => Ok(Vec::new()),
        _ => Err(String::new()),
    };
    asked.map_err(|error| match waiting {
        Some(process) => match &process.note {
            Some(note) => format!("the {} is {}: {note}", process.name, process.state),
            None => format!("the {} is {}", process.name, process.state),
        },
        None => error,
    })
}

/// Whether nothing follows it.
fn ends(process: &ProcessStatus) -> bool {
    matches!(process.state.as_str(), "draining" | "stopped")
}

/// The failure when no supervisor answers.
pub(super) fn not_answering(home: &Home, error: &io::Error) -> Failure {
    let root = home.root().display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::new(format!(
            "not running in {root} (another home is named by --home or LOCKGATE_HOME)"
        )),
        io::ErrorKind::PermissionDenied => Failure::new(format!(
            "{}: {error}: only the user that runs it and root may ask; without that, ask for /readyz over HTTP",
            home.control_socket().display()
        )),
        _ => Failure::new(format!("{}: {error}", home.control_socket().display())),
    }
}

fn table(report: &Report) -> String {
    let status = &report.status;
    let mut lines = vec![["PROCESS", "STATE", "PID", "UPTIME", "RESTARTS", "ADDRESS"].map(str::to_owned)];
    lines.push([
        "supervisor".to_owned(),
        "running".to_owned(),
        status.pid.to_string(),
        duration(status.uptime_seconds),
        "-".to_owned(),
        status.url.clone(),
    ]);
    lines.extend(status.processes.iter().chain(&status.leaving).map(row));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<_> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    for problem in &report.problems {
        text += problem;
        text.push('\n');
    }
    text
}

fn row(process: &ProcessStatus) -> [String; 6] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        process.name.clone(),
        process.state.clone(),
        or_dash(process.pid.map(|pid| pid.to_string())),
        or_dash(process.uptime_seconds.map(duration)),
        process.restarts.to_string(),
        process.address.clone(),
    ]
}

/// The two largest units: `3d 4h`, `5m 6s`.
fn duration(seconds: u64) -> String {
    let units = [
        ("d", seconds / 86400),
        ("h", seconds / 3600 % 24),
        ("m", seconds / 60 % 60),
        ("s", seconds % 60),
    ];
    let first = units.iter().position(|(_, count)| *count > 0).unwrap_or(3);
    units[first..]
        .iter()
        .take(2)
        .map(|(unit, count)| format!("{count}{unit}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn durations_show_their_two_largest_units() {
        let shown: Vec<_> = [0, 59, 61, 3600, 90061, 864000].map(duration).into();
        assert_eq!(shown, ["0s", "59s", "1m 1s", "1h 0m", "1d 1h", "10d 0h"]);
    }

    #[test]
    fn the_table_shows_each_process_and_why_one_is_not_ready() {
        let process = |name: &str, state: &str, note: Option<&str>| ProcessStatus {
            name: name.into(),
            state: state.into(),
            pid: Some(7),
            uptime_seconds: Some(61),
            restarts: 2,
            address: ":443".into(),
            note: note.map(str::to_owned),
            log_lines_lost: 0,
        };
        let mut status = Status {
            version: "1".into(),
            pid: 5,
            uptime_seconds: 70,
            url: "https://h".into(),
            config: "c".into(),
            drain_timeout_seconds: 30,
            endpoint: None,
            reloading: false,
            log_lines_lost: 0,
            socket_error: None,
            reload_error: None,
            certificate_problem: None,
            generation: 1,
            replacing: false,
            upgrade_error: None,
            leaving: Vec::new(),
            processes: vec![
                process("proxy", "ready", Some("old news")),
                process("registry", "starting", Some("why")),
            ],
        };
        let text = table(&Report::of(status.clone()));
        assert!(
            text.contains("proxy       ready     7    1m 1s   2         :443\n"),
            "{text}"
        );
        let why = "clients are not served: the registry is starting: why\n";
        assert!(text.contains(why) && !text.contains("old news"), "{text}");
        status.processes.pop();
        status.reload_error = Some("http.addr: no".into());
        let report = Report::of(status);
        assert!(report.serving && report.problems.len() == 1, "{:?}", report.problems);
        assert!(table(&report).ends_with("the old configuration goes on:\nhttp.addr: no\n"));
        let mut status = report.status;
        status.reload_error = None;
        status.processes[0].log_lines_lost = 7;
        let problems = Report::of(status).problems;
        assert_eq!(
            problems,
            ["the log of the proxy takes nothing, 7 lines are lost by now"]
        );
    }

    #[test]
    fn those_who_wait_for_a_process_that_starts_again_are_served() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = crate::supervisor::health_request::Endpoint::Tcp {
            address: listener.local_addr().unwrap().to_string(),
            tls: false,
        };
        let status = |state: &str| {
            let document = serde_json::json!({
                "version": "1", "pid": 5, "uptime_seconds": 70, "url": "https://h", "config": "c",
                "drain_timeout_seconds": 30, "endpoint": endpoint,
                "processes": [{ "name": "registry", "state": state, "restarts": 1, "address": "a" }],
            });
            serde_json::from_value::<Status>(document).unwrap()
        };
        for (answer, state, expected) in [
            ("200 OK", "restarting", Ok(Vec::new())),
            ("200 OK", "ready", Ok(Vec::new())),
            (
                "503 Unavailable",
                "starting",
                Err("the registry is starting".to_owned()),
            ),
        ] {
            let asking = std::thread::spawn({
                let status = status(state);
                move || served(&status)
            });
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            write!(stream, "HTTP/1.1 {answer}\r\n\r\n").unwrap();
            drop(stream);
            assert_eq!(asking.join().unwrap(), expected, "{state}");
        }
        // Nobody waits for what ends.
        assert_eq!(served(&status("draining")), Err("the registry is draining".to_owned()));
    }
}
