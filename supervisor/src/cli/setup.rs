//! `lockgate setup`: everything that `start` would make, and no start.

use clap::Args;
use lockgate_config::Home;

use super::Failure;
use super::start::Wishes;
use crate::environment::Environment;
use crate::setup::{FirstAccount, prepare};

/// Sets up what is missing, and ends: configuration, certificates, the first account. What is there stays as it is.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wishes: Wishes,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    arguments.wishes.places.check(environment)?;
    let home = arguments.wishes.places.home(environment);
    let prepared = prepare(&arguments.wishes.wish(&home, false, environment))?;
    prepared.tell(|line| println!("{line}"));
    for path in &prepared.made {
        println!("made {}", path.display());
    }
    if prepared.made.is_empty() {
        println!("everything is there in {}", home.root().display());
    }
    if let Some(account) = &prepared.account {
        say_account(account, &home);
    }
    println!("next: lockgate start{}", arguments.wishes.places.written(environment));
    Ok(())
}

/// An account that was made now.
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
