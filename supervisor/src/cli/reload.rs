//! `lockgate reload`: the running registry reads its configuration again.

use clap::Args;

use super::Failure;
use super::places::HomeArgument;
use crate::environment::Environment;
use crate::supervise::control::{Reloaded, Request, ask};

/// Reads the configuration again. A configuration with mistakes is refused, and the old one goes on.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: HomeArgument,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let home = arguments.home.home(environment);
    let reloaded: Reloaded =
        ask(&home.control_socket(), &Request::Reload).map_err(|error| super::status::not_answering(&home, &error))?;
    if reloaded.is_ending {
        return Err(Failure::new(reloaded.messages.join("\n")));
    }
    if !reloaded.done {
        let refused = "refused, the old configuration goes on:\n".to_owned() + &reloaded.messages.join("\n");
        return Err(Failure::configuration(refused));
    }
    for message in &reloaded.messages {
        eprintln!("lockgate: warning: {message}");
    }
    println!("reloaded");
    Ok(())
}
