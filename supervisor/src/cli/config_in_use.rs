//! What a command works on: the configuration that is named, or the one that the running instance of the home works
//! with. Its variables are not those of every shell.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lockgate_config::Home;

use crate::bootstrap::places::Places;
use crate::configuration::source::{ConfigSource, VARIABLES};
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::supervisor::control::{Request, RunningConfiguration, ask};

/// Whoever runs answers within this time, also while another binary takes over.
const LIMIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// A configuration file and the environment to read it with.
#[derive(Debug)]
pub(super) struct ConfigInUse {
    /// A configuration that is not the home's.
    pub(super) config: Option<PathBuf>,
    pub(super) environment: Environment,
    home: Home,
}

impl ConfigInUse {
    /// Finds the configuration that `places` name.
    pub(super) fn by(places: &Places, environment: &Environment) -> Result<Self, Failure> {
        let home = places.home(environment);
        let running = match &places.config {
            None => of_running(&home)?,
            Some(_) => None,
        };
        let Some(running) = running else {
            return Ok(Self {
                config: places.config.as_ref().map(|_| places.config_file(environment)),
                environment: environment.clone(),
                home,
            });
        };
        tell_of_others(environment, &running);
        Ok(Self {
            config: Some(running.config).filter(|config| *config != home.config_file()),
            environment: environment.without(VARIABLES).and(&running.variables),
            home,
        })
    }

    /// What the running instance of `home` works with, if there is one.
    pub(super) fn running(home: &Home, environment: &Environment) -> Result<Option<ConfigSource>, Failure> {
        let running = of_running(home)?;
        let environment = environment.without(VARIABLES);
        Ok(running.map(|running| ConfigSource::new(running.config, &environment.and(&running.variables), None)))
    }

    pub(super) fn source(&self) -> ConfigSource {
        let path = self.config.clone().unwrap_or_else(|| self.home.config_file());
        ConfigSource::new(path, &self.environment, None)
    }
}

/// The running instance of `home`, if there is one.
fn of_running(home: &Home) -> Result<Option<RunningConfiguration>, Failure> {
    let socket = home.control_socket();
    let deadline = Instant::now() + LIMIT;
    loop {
        let error = match ask(&socket, &Request::Configuration) {
            Ok(running) => return Ok(Some(running)),
            Err(error) => error,
        };
        let why = match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::InvalidInput => return Ok(None),
            io::ErrorKind::PermissionDenied => {
                "only its owner and root are told what runs here works with; or name the file with --config"
            }
            // An upgrade cuts a call off.
            _ if Instant::now() < deadline => {
                std::thread::sleep(POLL);
                continue;
            }
            _ => {
                "what runs here does not say what it works with, perhaps since it is older than this program: \
                 `lockgate upgrade` replaces it; or name the file with --config"
            }
        };
        return Err(Failure::new(format!("{}: {error}: {why}", socket.display())));
    }
}

/// Somebody may have set them for this command.
fn tell_of_others(environment: &Environment, running: &RunningConfiguration) {
    let others: Vec<_> = environment
        .variables()
        .iter()
        .filter(|variable| variable.0.starts_with(VARIABLES) && !running.variables.contains(variable))
        .map(|(name, _)| name.as_str())
        .collect();
    if !others.is_empty() {
        eprintln!(
            "lockgate: not used, since the running instance has its own variables: {} (--config FILE uses this shell's)",
            others.join(", ")
        );
    }
}
