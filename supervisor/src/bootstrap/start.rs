//! A start as the first binary in this process.

use std::time::Instant;

use super::banner::Banner;
use super::context::StartContext;
use super::launch_config::{Launch, launch};
use super::supervisor_config::supervisor_config;
use crate::failure::Failure;
use crate::os::listen::remove_stale;
use crate::role::Pair;
use crate::setup::rollback::Rollback;
use crate::supervisor::child_process::pair_of;
use crate::supervisor::generation::Generation;
use crate::supervisor::replace::replacement::registry_socket;
use crate::supervisor::restart_policy::RestartTracker;
use crate::supervisor::{ControlSockets, Supervisor};

/// A supervisor whose children are due to be started, and what to show once they serve.
pub(crate) fn start(context: StartContext<'_>, rollback: &mut Rollback) -> Result<(Supervisor, Banner), Failure> {
    let Launch {
        config,
        listeners,
        report,
    } = launch(&context, None, rollback)?;
    let child_spec = config.child_spec.clone();
    let config = supervisor_config(context, config);
    let banner = Banner {
        url: config.url.clone(),
        certificate_problem: config.acme.problem(),
        account: report.account,
        password_file: config.home.password_file(),
        authority: report.authority,
        beginnings: report.beginnings,
        variables: report.variables,
    };
    let path = config.home.registry_socket();
    // This home is locked, so whoever still listens there was left by a crash and finishes what it has. An error comes
    // again from the next line.
    let _ = remove_stale(&path);
    let registry = registry_socket(&config.home, &path)?;
    let sockets = ControlSockets::open(&config.home)?;
    let now = Instant::now();
    let trackers = Pair {
        proxy: RestartTracker::new(now),
        registry: RestartTracker::new(now),
    };
    let children = pair_of(listeners, registry, trackers);
    let supervisor = Supervisor::new(config, sockets, Generation::new(1, child_spec, children));
    Ok((supervisor, banner))
}
