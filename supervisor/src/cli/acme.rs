//! `lockgate acme`: one order of a certificate; the supervisor starts it, people do not.

use std::io;

use clap::Args;
use lockgate_files::UidGid;
use nix::sys::signal::SigSet;

use crate::acme;
use crate::bootstrap::places::Places;
use crate::configuration::source::ConfigSource;
use crate::failure::Failure;
use crate::logging::Logging;
use crate::os::environment::Environment;
use crate::os::notify::Notifier;
use crate::os::process::set_parent_death_signal;
use crate::sandbox;

/// Orders a certificate as `http.tls.letsencrypt` says. The supervisor starts this when one is due.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The supervisor's pid; the configuration comes on stdin
    #[arg(long, value_name = "PID")]
    supervised: i32,
    /// The port of the TLS listener
    #[arg(long)]
    port: u16,
    /// Who reads the keys of challenges, by number: USER:GROUP
    #[arg(long, value_parser = owner)]
    reader: Option<UidGid>,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let notifier = Notifier::from_environment(environment).unwrap_or_default();
    let ordered = order(arguments, environment);
    if let Err(error) = &ordered {
        notifier.send_status(error);
    }
    // The supervisor logs it.
    ordered.map_err(|_| Failure::silent())
}

fn order(arguments: &Arguments, environment: &Environment) -> Result<(), String> {
    let logging = Logging::start("acme");
    set_parent_death_signal(arguments.supervised, c"lockgate-acme")
        .map_err(|error| format!("cannot stay with the supervisor: {error}"))?;
    // The supervisor blocks what it reads from a descriptor, and children inherit that.
    SigSet::all()
        .thread_unblock()
        .map_err(|error| format!("cannot listen to signals: {error}"))?;
    sandbox::enter_order().map_err(|error| format!("cannot give up capabilities: {error}"))?;
    logging
        .run()
        .map_err(|error| format!("cannot start a thread for the log: {error}"))?;
    let text = io::read_to_string(io::stdin()).map_err(|error| format!("no configuration on stdin: {error}"))?;
    let source = ConfigSource::new(arguments.places.config_file(environment), environment, None);
    let config = source.parse(text).map_err(|error| error.to_string())?.config;
    let home = arguments.places.home(environment);
    logging.reload(&config.log, &home.log());
    acme::run(&config, &home, arguments.port, arguments.reader).map_err(|error| error.to_string())
}

fn owner(text: &str) -> Result<UidGid, String> {
    let (user, group) = text.split_once(':').ok_or("expected USER:GROUP")?;
    let number = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
    Ok(UidGid {
        uid: number(user)?,
        gid: number(group)?,
    })
}
