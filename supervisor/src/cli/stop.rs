//! `lockgate stop`: the running registry drains, and this waits for its end.

use std::time::{Duration, Instant};

use clap::Args;
use nix::sys::signal::{Signal, kill};

use super::Failure;
use super::places::HomeArgument;
use crate::environment::Environment;
use crate::lock::Lock;

const POLL: Duration = Duration::from_millis(10);

/// Finishes the requests in flight, then ends. Exit 0 when nothing runs any more, or nothing ran.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: HomeArgument,
    /// Seconds to wait for the end
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let home = arguments.home.home(environment);
    let Some(pid) = Lock::holder(&home.pid_file())? else {
        println!("not running in {}", home.root().display());
        return Ok(());
    };
    kill(pid, Signal::SIGTERM).map_err(|errno| Failure::new(format!("cannot signal pid {pid}: {errno}")))?;
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout);
    // The lock is let go by the end of the process, whoever reaps it.
    while Lock::holder(&home.pid_file())?.is_some() {
        if Instant::now() >= deadline {
            let message = format!(
                "pid {pid} still drains after {} s; stop again to end it at once",
                arguments.timeout
            );
            return Err(Failure::new(message));
        }
        std::thread::sleep(POLL);
    }
    println!("stopped");
    Ok(())
}
