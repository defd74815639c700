//! `lockgate`: a container registry that brings its own front door. This crate puts the others together.

use std::process::ExitCode;

mod acme;
mod banner;
mod certificates;
mod cli;
mod confine;
mod descriptors;
mod entrance;
mod environment;
mod handed;
mod health_request;
mod inspect;
mod launch;
mod lock;
mod logging;
mod notify;
mod password;
mod reach;
mod serve;
mod service;
mod setup;
mod socket_path;
mod source;
mod supervise;
mod terminal;
mod variables;

fn main() -> ExitCode {
    confine::own_files_only();
    let code = cli::run(std::env::args_os(), &environment::Environment::of_process());
    logging::flush();
    code.into()
}
