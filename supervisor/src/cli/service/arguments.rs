//! The arguments of `lockgate service`.

use clap::{Args, ValueEnum};

use crate::bootstrap::places::Places;
use crate::service_manager::UnitName;

/// Installs, removes and operates the service, in the order of the verbs; the first failure ends it.
///
/// lockgate service install start status; lockgate service stop uninstall. As root it is the machine's service, as
/// anybody else one's own. Images, accounts and configuration stay when it is uninstalled.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to do, in this order
    #[arg(required = true, value_name = "VERB")]
    pub(super) verbs: Vec<Verb>,
    #[command(flatten)]
    pub(super) places: Places,
    /// The service's name
    #[arg(long, value_name = "NAME", default_value = "lockgate")]
    pub(super) name: UnitName,
    /// The machine's service [default: as root]
    #[arg(long, conflicts_with = "user")]
    pub(super) system: bool,
    /// One's own service [default: unless root]
    #[arg(long)]
    pub(super) user: bool,
    /// With install and print: systemd opens the listening sockets, so that not even a stopped service refuses
    #[arg(long)]
    pub(super) socket: bool,
    /// With install: replace a unit that was edited. With uninstall: remove one that lockgate did not make
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Verb {
    /// Set up what is missing, make the unit, have it started at boot
    Install,
    /// Stop it and remove the unit
    Uninstall,
    /// Start it
    Start,
    /// Finish the requests in flight, then end
    Stop,
    /// Stop, then start
    Restart,
    /// Say how it is; exit 0 only when it runs
    Status,
    /// Show the definition, for systemd unless --launchd or --windows is given
    Print,
}

/// For whom a definition is printed.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct Format {
    /// With print: for systemd
    #[arg(long)]
    pub(super) systemd: bool,
    /// With print: for launchd, on a Mac
    #[arg(long)]
    pub(super) launchd: bool,
    /// With print: for Windows
    #[arg(long)]
    pub(super) windows: bool,
}

impl Verb {
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
