//! From a command line to a supervision: as the first binary in this process, or in the place of another.
//!
//! ```text
//! ground ─▶ equip: configuration, certificates, sockets ─▶ begin ─────▶ Supervisor
//!                               will of the binary before ─▶ take over ─┘
//! ```

pub(crate) mod arguments;
pub(crate) mod banner;
mod equipment;
pub(crate) mod places;
mod take_over;

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
use crate::supervisor::restart_policy::Life;
use crate::supervisor::{Ears, Supervisor};
use arguments::Wishes;
use banner::Banner;
use equipment::{equip, plan};
pub(crate) use take_over::take_over;

/// What is there before any configuration is read.
pub(crate) struct Ground<'a> {
    pub(crate) wishes: &'a Wishes,
    pub(crate) environment: &'a Environment,
    pub(crate) home: Home,
    pub(crate) lock: Lock,
    pub(crate) signals: Signals,
    pub(crate) logging: Logging,
}

/// Both children are due to be started.
pub(crate) fn begin(ground: Ground<'_>, trail: &mut Trail) -> Result<(Supervisor, Banner), Failure> {
    let (equipment, entrances, mut banner) = equip(&ground, None, trail)?;
    let setting = equipment.setting.clone();
    let plan = plan(ground, equipment, &banner.reach);
    banner.certificate_problem = plan.orders.problem();
    let path = plan.home.registry_socket();
    // This home is locked, so whoever still listens there was left by a crash and finishes what it has. What cannot be
    // removed is told of next.
    let _ = remove_stale(&path);
    let registry = registry_socket(&plan.home, &path)?;
    let ears = Ears::open(&plan.home)?;
    let now = Instant::now();
    let children = pair_of(entrances, registry, [Life::new(now), Life::new(now)]);
    let supervisor = Supervisor::new(plan, ears, Generation::new(1, setting, children));
    Ok((supervisor, banner))
}
