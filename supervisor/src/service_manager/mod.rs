//! Lockgate as a service of the system: what the service manager is told, and how it is asked.
//!
//! ```text
//! definition ──▶ unit (systemd) ──▶ file (checksum, consent) ──▶ systemctl
//!            ├─▶ launchd ┐
//!            └─▶ windows ┴▶ printed, never installed: Lockgate runs on Linux, so these start it in a container or WSL
//! ```

mod definition;
mod escape;
mod hardening;
mod launchd;
mod socket;
mod system_accounts;
mod systemd;
mod unit;
mod unit_file;
mod windows;

pub(crate) use definition::{ServiceDefinition, ServiceScope, SocketUnit, UnitName};
pub(crate) use launchd::plist;
pub(crate) use socket::text as socket_unit;
pub(crate) use system_accounts::make as make_accounts;
pub(crate) use systemd::ServiceManager;
pub(crate) use unit::text as service_unit;
pub(crate) use unit_file::{Consent, UnitChange, UnitFile};
pub(crate) use windows::definition as windows_service;
