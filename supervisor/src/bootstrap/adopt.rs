//! In the place of another binary, with what it left.

use super::StartContext;
use super::launch_config::{LaunchConfig, launch_config, resolve, supervisor_config, url};
use crate::certificates::copies::CertificateCopies;
use crate::configuration::source::ConfigSource;
use crate::failure::Failure;
use crate::sandbox::users;
use crate::setup::trail::Trail;
use crate::setup::{SetupError, prepare_directories, tree};
use crate::supervisor::replace::hand_over::{Replacement, ReplacementReason, ReplacementSpec};
use crate::supervisor::replace::upgrade_state::UpgradeState;
use crate::supervisor::{ControlSockets, Supervisor};

/// The children of the binary before serve until those of this one do; and they go on when something stands in the way.
pub(crate) fn adopt(context: StartContext<'_>, state: UpgradeState) -> Result<Supervisor, Failure> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "this binary has taken over");
    let prepared = prepare_directories(&context.home)
        .map_err(Failure::from)
        .and_then(|()| resolve(&context, Some(&state), &mut Trail::default()));
    let mut in_force = in_force(&context, &state).or_else(|failure| match &prepared {
        Ok((launch_config, ..)) => Ok(instead(launch_config, &failure)),
        Err(_) => Err(failure),
    })?;
    let spec = in_force.spec.clone();
    context.logging.reload(&in_force.config.log, &context.home.log());
    let current = state.current.adopt(&spec);
    let leaving = state
        .leaving
        .into_iter()
        .map(|generation| generation.adopt(&spec))
        .collect();
    let next = prepared
        .map_err(|failure| failure.to_string())
        .and_then(|(launch_config, listeners, _)| {
            in_force.copies = launch_config.copies;
            let spec = ReplacementSpec {
                source: launch_config.source,
                config: launch_config.config,
                spec: launch_config.spec,
            };
            Replacement::new(
                &context.home,
                current.number,
                spec,
                listeners,
                ReplacementReason::Upgrade,
            )
            .map_err(|error| error.to_string())
        });
    let listened = current.children[0].sockets.first().map(|socket| socket.address.clone());
    let url = url(&in_force.config, &context, listened.as_ref());
    let sockets = ControlSockets::adopt(&context.home, state.notify, state.control);
    let supervisor_config = supervisor_config(context, in_force, &url);
    Ok(Supervisor::new(supervisor_config, sockets, current).adopting(leaving, next, state.started))
}

/// What the children of the binary before run with. Only what they have already is needed for it: they serve, whatever
/// has become of the files.
fn in_force(context: &StartContext<'_>, state: &UpgradeState) -> Result<LaunchConfig, Failure> {
    let listen = state.listen.as_ref();
    let text = listen.map(ToString::to_string);
    let path = context.arguments.places.config_file(context.environment);
    let source = ConfigSource::new(path, context.environment, text.as_deref());
    let loaded = source.parse(state.configuration.clone())?;
    let tree = tree::found(&loaded.config.storage.root);
    let decided = users::decide(&loaded.config, &context.home, tree.as_ref()).map_err(SetupError::from)?;
    let copies = CertificateCopies::left_to(decided.owners().as_ref(), &loaded.config, &context.home);
    Ok(launch_config(&context.home, source, loaded, listen, &decided, copies))
}

/// What they will run with if they have to start again: this binary refuses what they began with.
fn instead(new: &LaunchConfig, failure: &Failure) -> LaunchConfig {
    tracing::warn!("what the old processes run with cannot be used by this binary: {failure}");
    LaunchConfig {
        source: new.source.clone(),
        config: new.config.clone(),
        spec: new.spec.clone(),
        copies: None,
    }
}
