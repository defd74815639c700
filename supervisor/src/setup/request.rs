//! What set-up is asked to do.

use std::path::PathBuf;

use lockgate_config::{Address, Home};

use super::missing::Locations;
use super::served::History;
use crate::os::environment::Environment;

/// What a person asked for.
#[derive(Debug)]
pub(crate) struct SetupRequest<'a> {
    pub(crate) home: &'a Home,
    /// A configuration of their own: then nothing is made but what it asks for.
    pub(crate) config: Option<PathBuf>,
    /// `--listen`
    pub(crate) listen: Option<Address>,
    /// `--hostname`
    pub(crate) hostnames: &'a [String],
    /// Whether data that belongs to somebody else is given to the registry's user.
    pub(crate) chown: bool,
    /// Whether it will be listened on: then a port that cannot be had is found out before anything is made.
    pub(crate) serve: bool,
    /// Whether what is missing is made although the home has served.
    pub(crate) again: bool,
    pub(crate) environment: &'a Environment,
}

impl SetupRequest<'_> {
    /// Where commands that are proposed look.
    pub(super) fn locations(&self) -> Locations<'_> {
        Locations {
            home: self.home,
            config: self.config.as_deref(),
        }
    }

    /// Of the home, for this wish.
    pub(super) fn history(&self) -> History {
        match (History::of(self.home), self.environment.is_taking_over()) {
            _ if self.again => History::New,
            (history, true) => history.of_running(),
            (history, false) => history,
        }
    }
}
