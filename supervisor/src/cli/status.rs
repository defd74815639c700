//! `lockgate status`: how each process is.

use std::io;

use clap::Args;
use lockgate_config::Home;

use super::Failure;
use super::places::HomeArgument;
use crate::environment::Environment;
use crate::supervise::control::{ProcessStatus, Request, Status, ask};

/// Says how each process is: state, pid, uptime, restarts, address. Exit 0 only when both are ready.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: HomeArgument,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let home = arguments.home.home(environment);
    let status: Status = ask(&home.control_socket(), &Request::Status).map_err(|error| not_answering(&home, &error))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status).map_err(Failure::new)?);
    } else {
        print!("{}", table(&status));
    }
    if status.is_ready() {
        Ok(())
    } else {
        Err(Failure::silent())
    }
}

/// Nobody runs, or nobody that answers.
pub(super) fn not_answering(home: &Home, error: &io::Error) -> Failure {
    let root = home.root().display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::new(format!(
            "not running in {root} (another home is named by --home or LOCKGATE_HOME)"
        )),
        _ => Failure::new(format!("{}: {error}", home.control_socket().display())),
    }
}

fn table(status: &Status) -> String {
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
    for process in status.processes.iter().filter(|process| process.state != "ready") {
        if let Some(note) = &process.note {
            text += &format!("{}: {note}\n", process.name);
        }
    }
    if let Some(problem) = &status.certificate_problem {
        text += &format!("certificate: {problem}\n");
    }
    if let Some(error) = &status.upgrade_error {
        text += &format!("the last upgrade failed: {error}\n");
    }
    if let Some(error) = &status.reload_error {
        text += &format!("the configuration file was refused, the old configuration goes on:\n{error}\n");
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
        };
        let mut status = Status {
            version: "1".into(),
            pid: 5,
            uptime_seconds: 70,
            url: "https://h".into(),
            config: "c".into(),
            drain_timeout_seconds: 30,
            reloading: false,
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
        let text = table(&status);
        assert!(
            text.contains("proxy       ready     7    1m 1s   2         :443\n"),
            "{text}"
        );
        assert!(text.contains("registry: why") && !text.contains("old news"), "{text}");
        assert!(!status.is_ready());
        status.processes.pop();
        assert!(status.is_ready());
    }
}
