//! From a command line to a supervision: as the first binary in this process, or in the place of another.
//!
//! ```text
//! StartContext ─▶ LaunchConfig: configuration, certificates, sockets ─▶ start ─▶ Supervisor
//!              state that the binary before left ─▶ adopt ─────────────┘
//! ```

mod adopt;
pub(crate) mod arguments;
pub(crate) mod banner;
mod launch_config;
pub(crate) mod places;

use std::time::Instant;

use lockgate_config::Home;

use crate::failure::Failure;
use crate::logging::Logging;
use crate::os::environment::Environment;
use crate::os::listen::remove_stale;
use crate::os::lock::Lock;
use crate::os::signals::Signals;
use crate::setup::trail::Trail;
use crate::supervisor::child_process::pair_of;
use crate::supervisor::generation::Generation;
use crate::supervisor::replace::hand_over::registry_socket;
use crate::supervisor::restart_policy::RestartTracker;
use crate::supervisor::{ControlSockets, Supervisor};
pub(crate) use adopt::adopt;
use arguments::StartArgs;
use banner::Banner;
use launch_config::{resolve, supervisor_config};

/// What is there before any configuration is read.
pub(crate) struct StartContext<'a> {
    pub(crate) arguments: &'a StartArgs,
    pub(crate) environment: &'a Environment,
    pub(crate) home: Home,
    pub(crate) lock: Lock,
    pub(crate) signals: Signals,
    pub(crate) logging: Logging,
}

/// Both children are due to be started.
pub(crate) fn start(context: StartContext<'_>, trail: &mut Trail) -> Result<(Supervisor, Banner), Failure> {
    let (launch_config, listeners, mut banner) = resolve(&context, None, trail)?;
    let spec = launch_config.spec.clone();
    let supervisor_config = supervisor_config(context, launch_config, &banner.url);
    banner.certificate_problem = supervisor_config.acme.problem();
    let path = supervisor_config.home.registry_socket();
    // This home is locked, so whoever still listens there was left by a crash and finishes what it has. What cannot be
    // removed is told of next.
    let _ = remove_stale(&path);
    let registry = registry_socket(&supervisor_config.home, &path)?;
    let sockets = ControlSockets::open(&supervisor_config.home)?;
    let now = Instant::now();
    let children = pair_of(
        listeners,
        registry,
        [RestartTracker::new(now), RestartTracker::new(now)],
    );
    let supervisor = Supervisor::new(supervisor_config, sockets, Generation::new(1, spec, children));
    Ok((supervisor, banner))
}
