//! What the supervisor is doing: one thing at a time.
//!
//! ```text
//! Starting ── both children ready ──▶ Serving ◀──▶ Replacing    new processes beside those that serve
//!                                        ◀──▶ Applying         running processes take up a configuration
//! any of them ── asked to stop, or a child is hopeless ──▶ Ending
//! ```

use std::time::Instant;

use super::replace::replacement::Replacement;
use crate::configuration::source::LoadedConfig;

#[derive(Debug)]
pub(super) enum Phase {
    /// The children have not served yet.
    Starting,
    Serving,
    Replacing(Box<Replacement>),
    /// Each running process has until the `deadline` to say that it took up the configuration in force; if one does
    /// not, all go back to the `previous` one.
    Applying {
        previous: Box<LoadedConfig>,
        deadline: Instant,
    },
    /// All drain. `since` somebody asked for it; not set while a hopeless child alone is the reason.
    Ending {
        since: Option<Instant>,
    },
}
