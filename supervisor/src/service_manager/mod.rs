//! Lockgate as a service of the system: what the service manager is told, and how it is asked.
//!
//! ```text
//! definition ─┬▶ unit, socket, hardening ─▶ unit_file (checksum, consent) ─▶ systemd (systemctl)
//!             └▶ templates: launchd and Windows, printed and never installed
//! ```

mod definition;
mod escape;
mod hardening;
mod socket;
mod system_accounts;
mod systemd;
mod templates;
mod unit;
mod unit_file;

pub(crate) use definition::{ServiceDefinition, ServiceScope, SocketUnit, UnitName};
pub(crate) use socket::text as socket_unit;
pub(crate) use system_accounts::make as make_accounts;
pub(crate) use systemd::ServiceManager;
pub(crate) use templates::{launchd, windows};
pub(crate) use unit::text as service_unit;
pub(crate) use unit_file::{Consent, UnitChange, UnitFile};
