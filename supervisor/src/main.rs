//! `lockgate`: a container registry that brings its own front door. This crate puts the others together.

use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};

mod banner;
mod certificates;
mod cli;
mod descriptors;
mod entrance;
mod environment;
mod lock;
mod logging;
mod notify;
mod password;
mod reach;
mod serve;
mod setup;
mod source;
mod supervise;
mod terminal;

fn main() -> ExitCode {
    // Nobody else's files; the group reads what is shared on purpose.
    umask(Mode::from_bits_truncate(0o027));
    cli::run(std::env::args_os(), &environment::Environment::of_process()).into()
}
