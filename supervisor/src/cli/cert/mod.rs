//! `lockgate cert`: make, explain and trust certificates.

mod new;
mod show;
mod trust;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::os::environment::Environment;

/// Makes certificates, explains them, and tells clients to trust them.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a certificate, signed by Lockgate's own authority
    New(new::Arguments),
    /// Say in words what a certificate is, for whom, how long, and what will fail with it
    Show(show::Arguments),
    /// Say, or on this machine do, what a client needs to trust the registry
    Trust(trust::Arguments),
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        Command::New(arguments) => new::run(arguments, environment),
        Command::Show(arguments) => show::run(arguments, environment),
        Command::Trust(arguments) => trust::run(arguments, environment),
    }
}
