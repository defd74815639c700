//! In the place of another binary, with what it left.

use super::Ground;
use super::equipment::{Equipment, equip, equipment, plan, reach};
use crate::certificates::copies::Handed;
use crate::configuration::source::Source;
use crate::failure::Failure;
use crate::sandbox::users;
use crate::setup::trail::Trail;
use crate::setup::{SetupError, prepare_directories, tree};
use crate::supervisor::replace::hand_over::{Cause, Successor, Terms};
use crate::supervisor::replace::upgrade_state::Will;
use crate::supervisor::{Ears, Supervisor};

/// The children of the binary before serve until those of this one do; and they go on when something stands in the way.
pub(crate) fn take_over(ground: Ground<'_>, will: Will) -> Result<Supervisor, Failure> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "this binary has taken over");
    let equipped = prepare_directories(&ground.home)
        .map_err(Failure::from)
        .and_then(|()| equip(&ground, Some(&will), &mut Trail::default()));
    let mut in_force = in_force(&ground, &will).or_else(|failure| match &equipped {
        Ok((equipment, ..)) => Ok(instead(equipment, &failure)),
        Err(_) => Err(failure),
    })?;
    let setting = in_force.setting.clone();
    ground.logging.reload(&in_force.config.log, &ground.home.log());
    let current = will.current.adopt(&setting);
    let leaving = will.leaving.into_iter().map(|heir| heir.adopt(&setting)).collect();
    let next = equipped
        .map_err(|failure| failure.to_string())
        .and_then(|(equipment, entrances, _)| {
            in_force.handed = equipment.handed;
            let terms = Terms {
                source: equipment.source,
                config: equipment.config,
                setting: equipment.setting,
            };
            Successor::new(&ground.home, current.number, terms, entrances, Cause::Upgrade)
                .map_err(|error| error.to_string())
        });
    let listened = current.children[0].sockets.first().map(|socket| socket.address.clone());
    let reach = reach(&in_force.config, &ground, listened.as_ref());
    let ears = Ears::adopt(&ground.home, will.notify, will.control);
    let plan = plan(ground, in_force, &reach);
    Ok(Supervisor::new(plan, ears, current).taking_over(leaving, next, will.started))
}

/// What the children of the binary before run with. Only what they have already is needed for it: they serve, whatever
/// has become of the files.
fn in_force(ground: &Ground<'_>, will: &Will) -> Result<Equipment, Failure> {
    let listen = will.listen.as_ref();
    let text = listen.map(ToString::to_string);
    let path = ground.wishes.places.config_file(ground.environment);
    let source = Source::new(path, ground.environment, text.as_deref());
    let accepted = source.accept(will.configuration.clone())?;
    let tree = tree::found(&accepted.config.storage.root);
    let decided = users::decide(&accepted.config, &ground.home, tree.as_ref()).map_err(SetupError::from)?;
    let handed = Handed::left_to(decided.owners().as_ref(), &accepted.config, &ground.home);
    Ok(equipment(&ground.home, source, accepted, listen, &decided, handed))
}

/// What they will run with if they have to start again: this binary refuses what they began with.
fn instead(new: &Equipment, failure: &Failure) -> Equipment {
    tracing::warn!("what the old processes run with cannot be used by this binary: {failure}");
    Equipment {
        source: new.source.clone(),
        config: new.config.clone(),
        setting: new.setting.clone(),
        handed: None,
    }
}
