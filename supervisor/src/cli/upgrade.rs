//! `lockgate upgrade`: the binary that is called takes over from the one that runs.

use std::ffi::OsString;
use std::io;
use std::time::{Duration, Instant};

use clap::Args;

use super::status::not_answering;
use crate::bootstrap::places::Places;
use crate::configuration::source::ConfigSource;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::supervisor::control::{ProcessStatus, Request, Status, UpgradeStarted, ask, ask_running};
use crate::supervisor::replace::upgrade_check::print_accepted;
use crate::supervisor::replace::upgrade_state::FORMAT_VERSION;

const POLL: Duration = Duration::from_millis(20);
/// Longer than everything that can keep the running one from answering: see `supervisor/replace/upgrade_check.rs` and
/// `supervisor/restart_policy.rs`.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(90);

/// Lets the binary that is called with this take over from the one that runs in the home: the same process, the same
/// sockets, no connection refused or cut. Old processes finish their requests, within `http.handovertimeout`.
///
/// The configuration is read again as well. What the new binary cannot run with is refused, and the old one goes on.
/// SIGUSR2 does the same with the binary that lies where the running one was started from.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Say whether this binary could take over: from one that leaves it so, with this configuration
    #[arg(long, value_name = "PROTOCOL", hide = true)]
    accepts: Option<u32>,
    /// With --accepts: how the running one was started
    #[arg(last = true, hide = true, requires = "accepts")]
    started: Vec<OsString>,
}

/// `understand` says what is wrong with a command line, if it is not one of this binary's.
pub(crate) fn run(
    arguments: &Arguments,
    environment: &Environment,
    understand: fn(&[OsString]) -> Result<(), String>,
) -> Result<(), Failure> {
    if let Some(protocol) = arguments.accepts {
        return accept(protocol, arguments, environment, understand);
    }
    let home = arguments.places.home(environment);
    let socket = home.control_socket();
    let status = || ask::<Status>(&socket, &Request::Status);
    let before: Status = ask_running(&socket, &Request::Status).map_err(|error| not_answering(&home, &error))?;
    let binary = std::env::current_exe().map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    let begun: UpgradeStarted =
        ask(&socket, &Request::Upgrade(binary)).map_err(|error| not_answering(&home, &error))?;
    if let Some(error) = begun.error {
        return Err(Failure::new(format!("not upgraded: {error}")));
    }
    let after = wait(status, before.generation).map_err(|error| not_answering(&home, &error))?;
    if let Some(error) = &after.upgrade_error {
        return Err(Failure::new(format!("not upgraded: {error}")));
    }
    if after.generation == before.generation || !after.is_ready() {
        let seconds = UPGRADE_TIMEOUT.as_secs();
        return Err(Failure::new(format!(
            "not upgraded after {seconds} s; `lockgate status` tells more"
        )));
    }
    println!(
        "upgraded: {} took over from {}; the supervisor keeps pid {}",
        after.version, before.version, after.pid
    );
    if !after.leaving.is_empty() {
        println!("old processes finish their requests: {}", names(&after.leaving));
    }
    Ok(())
}

/// Until another generation serves, or the old one goes on.
fn wait(status: impl Fn() -> io::Result<Status>, generation: u32) -> io::Result<Status> {
    let deadline = Instant::now() + UPGRADE_TIMEOUT;
    loop {
        match status() {
            Ok(now) if now.upgrade_error.is_some() || now.generation != generation => return Ok(now),
            Ok(now) if Instant::now() >= deadline => return Ok(now),
            // The call was cut off by the exec.
            Err(error) if Instant::now() >= deadline => return Err(error),
            Ok(_) | Err(_) => std::thread::sleep(POLL),
        }
    }
}

fn names(processes: &[ProcessStatus]) -> String {
    let name = |process: &ProcessStatus| match process.pid {
        Some(pid) => format!("{} {pid}", process.name),
        None => process.name.clone(),
    };
    processes.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn accept(
    protocol: u32,
    arguments: &Arguments,
    environment: &Environment,
    understand: fn(&[OsString]) -> Result<(), String>,
) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if protocol != FORMAT_VERSION {
        return Err(Failure::new(format!(
            "version {version} takes over by protocol {FORMAT_VERSION}, the running one speaks {protocol}: stop it and start this one"
        )));
    }
    // It will be executed with these.
    if let Err(error) = understand(&arguments.started) {
        return Err(Failure::usage(format!(
            "version {version} does not understand how the running one was started: {error}"
        )));
    }
    ConfigSource::new(arguments.places.config_file(environment), environment, None).load()?;
    print_accepted();
    Ok(())
}
