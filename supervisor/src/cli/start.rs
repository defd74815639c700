//! `lockgate start`: set up what is missing, then serve.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crate::bootstrap::adopt;
use crate::bootstrap::arguments::StartArgs;
use crate::bootstrap::banner::Banner;
use crate::bootstrap::{StartContext, start};
use crate::failure::Failure;
use crate::logging::{Logging, panics};
use crate::os::environment::Environment;
use crate::os::lock::Lock;
use crate::os::notify::Notifier;
use crate::os::signals::Signals;
use crate::sandbox;
use crate::setup::prepare_directories;
use crate::setup::rollback::Rollback;
use crate::supervisor::Supervisor;
use crate::supervisor::child_process;
use crate::supervisor::replace::upgrade_state::UpgradeState;
use clap::Args;

/// Sets up what is missing, then serves until stopped: the TLS proxy, and the registry behind it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    start: StartArgs,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let began = Instant::now();
    let start_args = &arguments.start;
    start_args.places.check(environment)?;
    child_process::program().map_err(|error| Failure::new(format!("cannot start processes: {error}")))?;
    let signals = Signals::block().map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
    let logging = Logging::start("supervisor");
    panics::log_and_notify(Arc::new(Notifier::from_environment(environment).unwrap_or_default()));
    let state = UpgradeState::open(environment)
        .map_err(|error| Failure::new(format!("what the binary before left: {error}")))?;
    let home = start_args.places.home(environment);
    let mut rollback = Rollback::default();
    let lock = match &state {
        Some(state) => Lock::adopt(&home.pid_file(), &state.lock)?,
        None => {
            rollback = Rollback::of(&home);
            prepare_directories(&home).inspect_err(|_| rollback.remove_empty_directories())?;
            let lock = Lock::take(&home.pid_file())?;
            rollback.arm();
            lock
        }
    };
    let context = StartContext {
        arguments: start_args,
        environment,
        home,
        lock,
        signals,
        logging: logging.clone(),
    };
    match state {
        Some(state) => confined(adopt(context, state)?, &logging)?.run(|| {})?,
        None => {
            let (supervisor, banner) = start(context, &mut rollback)?;
            confined(supervisor, &logging)?.run(|| {
                rollback.disarm();
                let took_ms = began.elapsed().as_millis() as u64;
                tracing::info!(took_ms, "serving {}", banner.url);
                show(banner);
            })?;
        }
    }
    rollback.disarm();
    Ok(())
}

/// On stdout, which may be a terminal that stands still: nothing waits for it.
fn show(banner: Banner) {
    let print = move || {
        // A closed stdout is no reason to stop.
        let _ = write!(std::io::stdout(), "{banner}").and_then(|()| std::io::stdout().flush());
    };
    if let Err(error) = std::thread::Builder::new().name("banner".into()).spawn(print) {
        tracing::error!("what to do next cannot be shown: {error}");
    }
}

fn confined(supervisor: Supervisor, logging: &Logging) -> Result<Supervisor, Failure> {
    sandbox::enter_supervisor().map_err(|error| Failure::new(format!("cannot give up capabilities: {error}")))?;
    logging
        .run()
        .map_err(|error| Failure::new(format!("cannot start a thread for the log: {error}")))?;
    Ok(supervisor)
}
