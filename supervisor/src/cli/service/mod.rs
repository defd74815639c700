//! `lockgate service`: run by the system's service manager.

mod install;
mod operate;
mod print;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lockgate_config::{Config, Home};
use nix::unistd::geteuid;

use crate::bootstrap::places::Places;
use crate::configuration::source::ConfigSource;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::service_manager::{Consent, Definition, Scope, UnitName};

/// Until a configuration says otherwise.
const USUAL_DRAIN: std::time::Duration = std::time::Duration::from_secs(30);

/// Installs, removes and operates the service, in the order of the verbs; the first failure ends it.
///
/// lockgate service install start status; lockgate service stop uninstall. As root it is the machine's service, as
/// anybody else one's own. Images, accounts and configuration stay when it is uninstalled.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to do, in this order
    #[arg(required = true, value_name = "VERB")]
    verbs: Vec<Verb>,
    #[command(flatten)]
    places: Places,
    /// The service's name
    #[arg(long, value_name = "NAME", default_value = "lockgate")]
    name: UnitName,
    /// The machine's service [default: as root]
    #[arg(long, conflicts_with = "user")]
    system: bool,
    /// One's own service [default: unless root]
    #[arg(long)]
    user: bool,
    /// With install and print: systemd opens the listening sockets, so that not even a stopped service refuses
    #[arg(long)]
    socket: bool,
    /// With install: replace a unit that was edited. With uninstall: remove one that lockgate did not make
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    format: print::Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verb {
    /// Set up what is missing, make the unit, have it started at boot
    Install,
    /// Stop it and remove the unit
    Uninstall,
    /// Start it
    Start,
    /// Finish the requests in flight, then end
    Stop,
    /// Stop, then start
    Restart,
    /// Say how it is; exit 0 only when it runs
    Status,
    /// Show the definition, for systemd unless --launchd or --windows is given
    Print,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let service = Service::new(arguments, environment);
    for verb in &arguments.verbs {
        let done = match verb {
            Verb::Install => install::install(&service),
            Verb::Uninstall => install::uninstall(&service),
            Verb::Start => operate::start(&service),
            Verb::Stop => operate::stop(&service),
            Verb::Restart => operate::restart(&service),
            Verb::Status => operate::status(&service),
            Verb::Print => print::print(&service, &arguments.format),
        };
        done.map_err(|failure| failure.during(&format!("service {}", verb.name())))?;
    }
    Ok(())
}

impl Verb {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// What the verbs are about.
struct Service<'a> {
    arguments: &'a Arguments,
    scope: Scope,
    consent: Consent,
    home: Home,
    /// A configuration that is not the home's own.
    config: Option<PathBuf>,
    /// As the service will have it: without the variables of this shell that override the configuration.
    environment: Environment,
}

impl<'a> Service<'a> {
    fn new(arguments: &'a Arguments, environment: &Environment) -> Self {
        let places = &arguments.places;
        let system = arguments.system || (!arguments.user && geteuid().is_root());
        Self {
            arguments,
            scope: if system { Scope::System } else { Scope::User },
            consent: if arguments.force {
                Consent::Given
            } else {
                Consent::Missing
            },
            home: places.home(environment),
            config: places.config.as_ref().map(|_| places.config_file(environment)),
            environment: environment.without("REGISTRY_"),
        }
    }

    /// With what the configuration needs, when there is one already.
    fn definition(&self) -> Result<Definition, Failure> {
        let program = std::env::current_exe().map_err(|error| Failure::new(format!("the binary: {error}")))?;
        let bare = Definition {
            name: self.arguments.name.clone(),
            scope: self.scope,
            program,
            home: self.home.clone(),
            config: self.config.clone(),
            drain: USUAL_DRAIN,
            writes: Vec::new(),
            reads: Vec::new(),
            sockets: Vec::new(),
        };
        let Some(config) = self.configuration()? else {
            return match self.arguments.socket {
                true => Err(Failure::new(
                    "--socket needs to know the port: there is no configuration yet; `lockgate setup` makes one",
                )),
                false => Ok(bare),
            };
        };
        let definition = bare.with(&config);
        match self.arguments.socket {
            true => definition.with_sockets(&config).map_err(Failure::configuration),
            false => Ok(definition),
        }
    }

    fn configuration(&self) -> Result<Option<Config>, Failure> {
        let path = self.config.clone().unwrap_or_else(|| self.home.config_file());
        if self.config.is_none() && !path.exists() {
            return Ok(None);
        }
        Ok(Some(ConfigSource::new(path, &self.environment, None).load()?.config))
    }
}
