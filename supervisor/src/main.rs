//! `lockgate`: a container registry with a TLS proxy of its own. This crate puts the others together.

use std::process::ExitCode;

mod acme;
mod bootstrap;
mod certificates;
mod child;
mod cli;
mod configuration;
mod exit_code;
mod failure;
mod inspect;
mod logging;
mod os;
mod role;
mod sandbox;
mod service_manager;
mod setup;
mod supervisor;

fn main() -> ExitCode {
    sandbox::own_files_only();
    let code = cli::run(std::env::args_os(), &os::environment::Environment::of_process());
    logging::flush();
    code.into()
}
