//! The supervisor: one thread that waits for signals, children, callers and the clock (event_loop).
//!
//! ```text
//! signalfd ──┐                       ┌─▶ start, signal, kill, drain children (generation, child)
//! notify   ──┼─▶ poll ─▶ state (pure)┼─▶ hand over from old children to new ones (hand_over)
//! control  ──┤                       ├─▶ reload, upgrade, renew the certificate
//! timers   ──┘                       └─▶ answer `status`
//! ```
//!
//! Absent on purpose: threads beside those that write the log, an async runtime, a second caller of `waitpid`.

pub(crate) mod acme_manager;
pub(crate) mod child_process;
pub(crate) mod control;
mod drain;
mod error;
mod event_loop;
mod file_watch;
pub(crate) mod generation;
pub(crate) mod health_request;
mod phase;
pub(crate) mod renewal;
pub(crate) mod replace;
pub(crate) mod restart_policy;
mod restore;
mod run_dir_watch;
mod served;
mod state;
mod status;

pub(crate) use state::{ControlSockets, Supervisor, SupervisorConfig};
