//! Which service the verbs are about, and where everything of it is.

use std::path::PathBuf;

use lockgate_config::{Config, Home, Http};
use nix::unistd::geteuid;

use super::arguments::Arguments;
use crate::configuration::source::ConfigSource;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::service_manager::{Consent, ServiceDefinition, ServiceScope};

/// Suffixes of the socket units that an installation may have.
pub(super) const SOCKETS: [&str; 2] = ["", "-redirect"];

/// The service that the verbs operate on.
pub(super) struct Service<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) scope: ServiceScope,
    pub(super) consent: Consent,
    pub(super) home: Home,
    /// A configuration that is not the home's own.
    pub(super) config: Option<PathBuf>,
    /// As the service will have it: without the variables of this shell that override the configuration.
    pub(super) environment: Environment,
}

impl<'a> Service<'a> {
    pub(super) fn new(arguments: &'a Arguments, environment: &Environment) -> Self {
        let places = &arguments.places;
        let system = arguments.system || (!arguments.user && geteuid().is_root());
        Self {
            arguments,
            scope: if system {
                ServiceScope::System
            } else {
                ServiceScope::User
            },
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
    pub(super) fn definition(&self) -> Result<ServiceDefinition, Failure> {
        let program = std::env::current_exe().map_err(|error| Failure::new(format!("the binary: {error}")))?;
        let bare = ServiceDefinition {
            name: self.arguments.name.clone(),
            scope: self.scope,
            program,
            home: self.home.clone(),
            config: self.config.clone(),
            drain: Http::DEFAULT_DRAIN_TIMEOUT,
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

    pub(super) fn configuration(&self) -> Result<Option<Config>, Failure> {
        let path = self.config.clone().unwrap_or_else(|| self.home.config_file());
        if self.config.is_none() && !path.exists() {
            return Ok(None);
        }
        Ok(Some(ConfigSource::new(path, &self.environment, None).load()?.config))
    }
}
