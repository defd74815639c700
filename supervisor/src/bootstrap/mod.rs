//! From a command line to a supervisor: as the first binary in this process, or in the place of another.
//!
//! ```text
//! StartArgs ─▶ StartContext ─▶ LaunchConfig ─▶ SupervisorConfig ─▶ start ─▶ Supervisor
//!                                              UpgradeState ─────▶ adopt ─┘
//! ```

mod adopt;
pub(crate) mod arguments;
pub(crate) mod banner;
mod context;
mod launch_config;
pub(crate) mod places;
mod start;
mod supervisor_config;

pub(crate) use adopt::adopt;
pub(crate) use context::StartContext;
pub(crate) use start::start;
