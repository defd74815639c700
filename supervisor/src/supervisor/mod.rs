//! The supervisor: one thread that waits for signals, children, callers and the clock (event_loop).
//!
//! ```text
//! signalfd ──┐                  ┌─▶ start, signal, kill, drain children: generation, child_process, and when: restart_policy (pure)
//! notify   ──┼─▶ event_loop ────┼─▶ a new pair takes the place of the present one: replace/
//! control  ──┤                  ├─▶ renew certificates: own_certificate_renewal, acme_manager
//! timers   ──┘                  └─▶ answer `lockgate status`: status
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
pub(crate) mod own_certificate_renewal;
mod phase;
mod record_served;
pub(crate) mod replace;
pub(crate) mod restart_policy;
mod restore;
mod run_dir_watch;
mod state;
mod status;

pub(crate) use state::{ControlSockets, Supervisor, SupervisorConfig};
