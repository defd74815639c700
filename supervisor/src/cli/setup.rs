//! `lockgate setup`: everything that `start` would make, and no start.

use clap::Args;
use lockgate_config::Home;

use super::config_in_use::ConfigInUse;
use crate::bootstrap::arguments::StartArgs;
use crate::configuration::variables::ActiveVariables;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::setup::rollback::Rollback;
use crate::setup::{FirstAccount, SetupRequest, prepare};

/// Sets up what is missing, and ends: configuration, certificates, the first account. What is there stays as it is.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    start: StartArgs,
    /// Make what is missing also in a home that has served: a configuration without the rules of the one that is gone,
    /// an accounts file with one account, an empty place for images
    #[arg(long)]
    again: bool,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    arguments.start.places.check(environment)?;
    let home = arguments.start.places.home(environment);
    let configured = ConfigInUse::by(&arguments.start.places, environment)?;
    let request = SetupRequest {
        config: configured.config.clone(),
        again: arguments.again,
        ..arguments.start.setup_request(&home, false, &configured.environment)
    };
    let prepared = prepare(&request, &mut Rollback::default())?;
    prepared.tell(|line| println!("{line}"));
    let variables = ActiveVariables::new(&prepared.loaded.config, arguments.start.listen.is_some());
    for line in prepared.beginnings().into_iter().chain(variables.lines()) {
        println!("{line}");
    }
    if prepared.made.is_empty() {
        println!("everything is there in {}", home.root().display());
    }
    if let Some(account) = &prepared.account {
        say_account(account, &home);
    }
    println!("next: lockgate start{}", arguments.start.places.written(environment));
    Ok(())
}

/// Prints the first account, with its password if it is new.
pub(super) fn say_account(FirstAccount { name, password }: &FirstAccount, home: &Home) {
    println!("account   {name}");
    if let Some(password) = password {
        // The one time that it is shown.
        println!(
            "password  {}   (not shown again; kept in {})",
            password.reveal(),
            home.password_file().display()
        );
    }
}
