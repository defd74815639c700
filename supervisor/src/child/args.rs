//! What a serving process was started with.

use lockgate_config::Home;

use crate::configuration::source::ConfigSource;
use crate::os::environment::Environment;

#[derive(Debug)]
pub(crate) struct ServeArgs {
    pub(crate) source: ConfigSource,
    pub(crate) home: Home,
    pub(crate) environment: Environment,
    /// The supervisor's pid, if this process is supervised.
    pub(crate) supervisor: Option<i32>,
}

impl ServeArgs {
    pub(super) fn is_supervised(&self) -> bool {
        self.supervisor.is_some()
    }
}
