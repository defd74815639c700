//! A start in the place of another binary, with what it left.

use super::context::StartContext;
use super::launch_config::{LaunchConfig, child_spec, launch};
use super::supervisor_config::supervisor_config;
use crate::certificates::copies::CertificateCopies;
use crate::configuration::source::ConfigSource;
use crate::failure::Failure;
use crate::sandbox::run_as::RunAs;
use crate::setup::rollback::Rollback;
use crate::setup::{SetupError, data_dir, prepare_directories};
use crate::supervisor::replace::replacement::{Replacement, ReplacementReason, ReplacementSpec};
use crate::supervisor::replace::upgrade_state::UpgradeState;
use crate::supervisor::{ControlSockets, Supervisor};

/// The children of the binary before serve until those of this one do, and go on when those cannot be started.
pub(crate) fn adopt(context: StartContext<'_>, state: UpgradeState) -> Result<Supervisor, Failure> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "this binary has taken over");
    let launch = prepare_directories(&context.home)
        .map_err(Failure::from)
        .and_then(|()| launch(&context, Some(&state), &mut Rollback::default()));
    let mut in_force = in_force(&context, &state).or_else(|failure| match &launch {
        Ok(launch) => Ok(instead_of_it(&launch.config, &state, &failure)),
        Err(_) => Err(failure),
    })?;
    let child_spec = in_force.child_spec.clone();
    context.logging.reload(&in_force.config.log, &context.home.log());
    let current = state.current.adopt(&child_spec);
    let leaving = state
        .leaving
        .into_iter()
        .map(|generation| generation.adopt(&child_spec))
        .collect();
    let next = launch.map_err(|failure| failure.to_string()).and_then(|launch| {
        in_force.copies = launch.config.copies;
        let spec = ReplacementSpec {
            source: launch.config.source,
            config: launch.config.config,
            child_spec: launch.config.child_spec,
        };
        let (home, number) = (&context.home, current.number);
        Replacement::new(home, number, spec, launch.listeners, ReplacementReason::Upgrade)
            .map_err(|error| error.to_string())
    });
    let sockets = ControlSockets::adopt(&context.home, state.notify, state.control);
    let config = supervisor_config(context, in_force);
    Ok(Supervisor::new(config, sockets, current).adopting(leaving, next, state.started))
}

/// What the children of the binary before run with. Only what they have already is needed for it: they serve, whatever
/// has become of the files.
fn in_force(context: &StartContext<'_>, state: &UpgradeState) -> Result<LaunchConfig, Failure> {
    let (home, overriding) = (&context.home, state.listen.as_ref());
    let path = context.arguments.places.config_file(context.environment);
    let listen = overriding.map(ToString::to_string);
    let source = ConfigSource::new(path, context.environment, listen.as_deref());
    let loaded = source.parse(state.configuration.clone())?;
    let data_dir = data_dir::existing(&loaded.config.storage.root);
    let run_as = RunAs::resolve(&loaded.config, home, data_dir.as_ref()).map_err(SetupError::from)?;
    let copies = CertificateCopies::left_to(run_as.owners().as_ref(), &loaded.config, home);
    Ok(LaunchConfig {
        child_spec: child_spec(home, &source, &loaded, overriding, &run_as, copies.as_ref()),
        listening_on: state
            .current
            .public_address()
            .unwrap_or(&loaded.config.http.addr)
            .clone(),
        source,
        config: loaded.config,
        copies,
    })
}

/// What they will run with if they have to start again: this binary refuses what they began with.
fn instead_of_it(new: &LaunchConfig, state: &UpgradeState, failure: &Failure) -> LaunchConfig {
    tracing::warn!("what the old processes run with cannot be used by this binary: {failure}");
    LaunchConfig {
        source: new.source.clone(),
        config: new.config.clone(),
        child_spec: new.child_spec.clone(),
        listening_on: state.current.public_address().unwrap_or(&new.listening_on).clone(),
        copies: None,
    }
}
