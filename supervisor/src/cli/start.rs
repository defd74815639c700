//! `lockgate start`: set up what is missing, then serve.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use lockgate_config::{Address, Home};

use crate::bootstrap::banner::Banner;
use crate::bootstrap::places::Places;
use crate::bootstrap::take_over;
use crate::bootstrap::{Ground, begin};
use crate::failure::Failure;
use crate::logging::{Logging, panics};
use crate::os::environment::Environment;
use crate::os::lock::Lock;
use crate::os::notify::Notifier;
use crate::os::signals::Signals;
use crate::sandbox;
use crate::setup::trail::Trail;
use crate::setup::{Wish, prepare_directories};
use crate::supervisor::Supervisor;
use crate::supervisor::child_process;
use crate::supervisor::replace::upgrade_state::{self, Will};

/// Sets up what is missing, then serves until stopped: the front door, and the registry behind it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wishes: Wishes,
}

/// What `start` and `setup` take.
#[derive(Debug, Args)]
pub(crate) struct Wishes {
    #[command(flatten)]
    pub(crate) places: Places,
    /// Where to listen: host:port or :port [default: the configuration's; for a new one :443, else :5443]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,
    /// A name that clients use; can be given several times
    #[arg(long = "hostname", value_name = "NAME")]
    pub(crate) hostnames: Vec<String>,
    /// As root: give the data directory to the user that the registry runs as
    #[arg(long)]
    chown: bool,
}

impl Wishes {
    /// `serve`: whether it will be listened.
    pub(crate) fn wish<'a>(&'a self, home: &'a Home, serve: bool, environment: &'a Environment) -> Wish<'a> {
        Wish {
            home,
            config: self
                .places
                .config
                .as_ref()
                .map(|_| self.places.config_file(environment)),
            listen: self.listen.clone(),
            hostnames: &self.hostnames,
            // Once: the binary that takes over in the same process has the same arguments.
            chown: self.chown && !upgrade_state::is_written(environment),
            serve,
            again: false,
            environment,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let began = Instant::now();
    let wishes = &arguments.wishes;
    wishes.places.check(environment)?;
    child_process::program().map_err(|error| Failure::new(format!("cannot start processes: {error}")))?;
    let signals = Signals::block().map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
    let logging = Logging::start("supervisor");
    panics::log_and_notify(Arc::new(Notifier::from_environment(environment).unwrap_or_default()));
    let will =
        Will::open(environment).map_err(|error| Failure::new(format!("what the binary before left: {error}")))?;
    let home = wishes.places.home(environment);
    let mut trail = Trail::default();
    let lock = match &will {
        Some(will) => Lock::adopt(&home.pid_file(), &will.lock)?,
        None => {
            trail = Trail::of(&home);
            prepare_directories(&home).inspect_err(|_| trail.remove_empty_directories())?;
            let lock = Lock::take(&home.pid_file())?;
            trail.follow();
            lock
        }
    };
    let ground = Ground {
        wishes,
        environment,
        home,
        lock,
        signals,
        logging: logging.clone(),
    };
    match will {
        Some(will) => confined(take_over(ground, will)?, &logging)?.run(|| {})?,
        None => {
            let (supervisor, banner) = begin(ground, &mut trail)?;
            confined(supervisor, &logging)?.run(|| {
                trail.keep();
                let took_ms = began.elapsed().as_millis() as u64;
                tracing::info!(took_ms, "serving {}", banner.reach);
                show(banner);
            })?;
        }
    }
    trail.keep();
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
