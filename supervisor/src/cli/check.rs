//! `lockgate check`: every mistake of a configuration at once.

use clap::Args;

use super::Failure;
use super::places::Places;
use crate::environment::Environment;
use crate::source::Source;

/// Lists every mistake of a configuration, each with key path, value and what is expected; exit 78 when there is one.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    places: Places,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let path = arguments.places.config_file(environment);
    let accepted = Source::new(path.clone(), environment, None).load()?;
    for warning in &accepted.config.warnings {
        println!("{}: warning: {warning}", path.display());
    }
    println!("{}: no mistakes", path.display());
    Ok(())
}
