//! What the two processes run: `lockgate registry` and `lockgate proxy`, each alone or as a child of the supervisor.
//!
//! ```text
//! signals (thread) ──▶ drain, reload ──▶ lockgate_registry::run / lockgate_proxy::run
//! ready, alive, why it ended ◀── NOTIFY_SOCKET
//! ```

mod args;
mod error;
mod process;
mod proxy;
mod registry;
mod signals;

pub(crate) use args::ServeArgs;
pub(crate) use error::ServeError;
pub(crate) use proxy::serve as proxy;
pub(crate) use registry::serve as registry;
