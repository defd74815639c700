//! How what runs is replaced: its configuration, its processes, or the whole binary.

mod hand_over;
mod reload;
pub(crate) mod replacement;
mod rollout;
pub(crate) mod upgrade;
pub(crate) mod upgrade_check;
pub(crate) mod upgrade_state;
