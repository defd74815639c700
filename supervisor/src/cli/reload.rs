//! `lockgate reload`: the running registry reads its configuration again.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use clap::Args;
use lockgate_config::Home;

use super::status::not_answering;
use crate::bootstrap::places::HomeArgument;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::supervisor::control::{Reloaded, Request, Status, ask, ask_running};

const POLL: Duration = Duration::from_millis(10);
/// Longer than new processes may take to become ready: see `supervisor/restart_policy.rs`.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(90);
/// Whoever runs answers within this time, also while another binary takes over.
const SILENCE: Duration = Duration::from_secs(2);

/// Reads the configuration again. A configuration with mistakes is refused, and the old one goes on.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: HomeArgument,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    reload(&arguments.home.home(environment))
}

/// The same for whatever runs in `home`; nothing when nothing does.
pub(super) fn if_running(home: &Home) -> Result<(), Failure> {
    match ask::<Status>(&home.control_socket(), &Request::Status) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused | ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        _ => reload(home),
    }
}

fn reload(home: &Home) -> Result<(), Failure> {
    let reloaded: Reloaded =
        ask_running(&home.control_socket(), &Request::Reload).map_err(|error| not_answering(home, &error))?;
    if reloaded.is_ending {
        return Err(Failure::new(reloaded.messages.join("\n")));
    }
    if !reloaded.done {
        return Err(refused(&reloaded.messages.join("\n")));
    }
    for message in &reloaded.messages {
        eprintln!("lockgate: warning: {message}");
    }
    match taken_up(home)? {
        Some(error) => Err(refused(&error)),
        None => {
            println!("reloaded");
            Ok(())
        }
    }
}

/// Waits until the processes have taken it up, or those that do. Gives the reason when they have not.
fn taken_up(home: &Home) -> Result<Option<String>, Failure> {
    let deadline = Instant::now() + RELOAD_TIMEOUT;
    let mut silent_since = Instant::now();
    loop {
        match ask::<Status>(&home.control_socket(), &Request::Status) {
            Ok(status) if !status.reloading => return Ok(status.reload_error),
            Ok(_) => silent_since = Instant::now(),
            // An upgrade cuts a call off.
            Err(_) if silent_since.elapsed() < SILENCE => {}
            Err(error) => return Err(not_answering(home, &error)),
        }
        if Instant::now() >= deadline {
            let seconds = RELOAD_TIMEOUT.as_secs();
            return Err(Failure::new(format!(
                "not in force after {seconds} s; `lockgate status` tells more"
            )));
        }
        std::thread::sleep(POLL);
    }
}

fn refused(why: &str) -> Failure {
    Failure::configuration("refused, the old configuration goes on:\n".to_owned() + why)
}
