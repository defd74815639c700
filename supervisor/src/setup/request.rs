//! What set-up is asked to do, by the command line and the environment.

use std::path::PathBuf;

use lockgate_config::{Address, Home};

use super::home_record::History;
use super::missing::Locations;
use crate::os::environment::Environment;

/// The request of one command.
#[derive(Debug)]
pub(crate) struct SetupRequest<'a> {
    pub(crate) home: &'a Home,
    /// A configuration from elsewhere (`--config`): then only files that it asks for are made.
    pub(crate) config: Option<PathBuf>,
    /// `--listen`
    pub(crate) listen: Option<Address>,
    /// `--hostname`
    pub(crate) hostnames: &'a [String],
    /// `--chown`: data that belongs to somebody else is given to the registry's user.
    pub(crate) chown: bool,
    /// Whether the process will listen: then a port in use is an error before anything is made.
    pub(crate) serve: bool,
    /// `--again`: missing files are made although the home has served.
    pub(crate) again: bool,
    pub(crate) environment: &'a Environment,
}

impl SetupRequest<'_> {
    /// The paths that proposed commands name.
    pub(super) fn locations(&self) -> Locations<'_> {
        Locations {
            home: self.home,
            config: self.config.as_deref(),
        }
    }

    /// The history of the home, as this request sees it.
    pub(super) fn history(&self) -> History {
        match (History::of(self.home), self.environment.is_taking_over()) {
            _ if self.again => History::New,
            (history, true) => history.of_running(),
            (history, false) => history,
        }
    }
}
