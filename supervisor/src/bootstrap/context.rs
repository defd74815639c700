//! What a start has before any configuration is read.

use lockgate_config::Home;

use super::arguments::StartArgs;
use crate::logging::Logging;
use crate::os::environment::Environment;
use crate::os::lock::Lock;
use crate::os::signals::Signals;

pub(crate) struct StartContext<'a> {
    pub(crate) arguments: &'a StartArgs,
    pub(crate) environment: &'a Environment,
    pub(crate) home: Home,
    pub(crate) lock: Lock,
    pub(crate) signals: Signals,
    pub(crate) logging: Logging,
}
