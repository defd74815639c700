//! `lockgate stop`: the running registry drains, and this waits for its end.

use std::time::{Duration, Instant};

use clap::Args;
use lockgate_config::{Home, Http};
use nix::sys::signal::{Signal, kill};

use crate::bootstrap::places::HomeArgument;
use crate::configuration::stop_time::longest_end;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::os::lock::Lock;
use crate::supervisor::control::{Request, Status, ask};

const POLL: Duration = Duration::from_millis(10);

/// Finishes the requests in flight, then ends. Exit 0 when nothing runs any more, or nothing ran.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: HomeArgument,
    /// Seconds to wait for the end [default: http.draintimeout and some]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let home = arguments.home.home(environment);
    let Some(pid) = Lock::holder(&home.pid_file())? else {
        println!("not running in {}", home.root().display());
        return Ok(());
    };
    let timeout = arguments.timeout.unwrap_or_else(|| longest_end_of(&home).as_secs());
    kill(pid, Signal::SIGTERM).map_err(|errno| Failure::new(format!("cannot signal pid {pid}: {errno}")))?;
    let deadline = Instant::now() + Duration::from_secs(timeout);
    // The lock is let go by the end of the process, whoever reaps it.
    while Lock::holder(&home.pid_file())?.is_some() {
        if Instant::now() >= deadline {
            let message = format!("pid {pid} still drains after {timeout} s; stop again to end it at once");
            return Err(Failure::new(message));
        }
        std::thread::sleep(POLL);
    }
    println!("stopped");
    Ok(())
}

/// How long the running instance takes to end; one that does not answer is taken for one with the default.
fn longest_end_of(home: &Home) -> Duration {
    let status = ask::<Status>(&home.control_socket(), &Request::Status);
    longest_end(status.map_or(Http::DEFAULT_DRAIN_TIMEOUT, |status| {
        Duration::from_secs(status.drain_timeout_seconds)
    }))
}
