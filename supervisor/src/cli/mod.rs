//! The command line. One file a command; here only what they share.

mod acme;
mod cert;
mod check;
mod config_in_use;
mod import;
mod proxy;
mod registry;
mod reload;
mod service;
mod setup;
mod start;
mod status;
mod stop;
mod upgrade;
mod user;

use std::ffi::{OsStr, OsString};

use clap::{Parser, Subcommand};

use crate::exit_code;
use crate::failure::Failure;

use crate::os::environment::Environment;

/// A container registry with its own TLS proxy: `docker push` and `docker pull` over TLS, from one command.
#[derive(Debug, Parser)]
#[command(
    name = "lockgate",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
#[command(after_help = "Without a command: start.\n\n\
    Exit codes: 0 done, 1 failed, 2 wrong command line,\n\
    3 done or running, and something is left to do, 78 wrong configuration.\n\n\
    The guide has one page a task, in docs/guide/ of the source: users-and-rights, patterns, certificates, \
    trust, behind-nginx, service, container, moving, upgrade, backup, growth.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: start::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up what is missing, then serve until stopped
    Start(start::Arguments),
    /// Set up what is missing, and end: configuration, certificates, the first account
    Setup(setup::Arguments),
    /// List every mistake of a configuration
    Check(check::Arguments),
    /// Say how a running registry is, and whether clients are served
    Status(status::Arguments),
    /// Read the configuration again without interrupting anybody
    Reload(reload::Arguments),
    /// Let this binary take over from the running one; no connection is lost
    Upgrade(upgrade::Arguments),
    /// Finish the requests in flight, then end
    Stop(stop::Arguments),
    /// Install, operate and print the system's service
    Service(service::Arguments),
    /// Make, explain and trust certificates
    Cert(cert::Arguments),
    /// Add, change, remove and list accounts
    User(user::Arguments),
    /// Take over accounts and rights from another system
    Import(import::Arguments),
    /// Serve the registry alone, over plain HTTP, for a proxy that is already there
    Registry(registry::Arguments),
    /// Serve the TLS proxy alone
    Proxy(proxy::Arguments),
    /// Order a certificate by ACME; started by the supervisor
    #[command(hide = true)]
    Acme(acme::Arguments),
}

/// Whether `arguments`, which follow the program's name, are a command line; else what is wrong with them.
fn understand(arguments: &[OsString]) -> Result<(), String> {
    let all = std::iter::once(OsStr::new("lockgate")).chain(arguments.iter().map(OsString::as_os_str));
    let wrong = |error: clap::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    Cli::try_parse_from(all).map(drop).map_err(wrong)
}

/// Does what the command line says; gives the exit code.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>, environment: &Environment) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap; nobody can be told when stdout is gone.
            let _ = error.print();
            return if error.use_stderr() { exit_code::USAGE } else { 0 };
        }
    };
    if let Some(name) = Environment::unreadable() {
        return Failure::configuration(format!("{name}: its value is not UTF-8")).report();
    }
    let done = match cli.command.unwrap_or(Command::Start(cli.start)) {
        Command::Start(arguments) => start::run(&arguments, environment),
        Command::Setup(arguments) => setup::run(&arguments, environment),
        Command::Check(arguments) => check::run(&arguments, environment),
        Command::Status(arguments) => status::run(&arguments, environment),
        Command::Reload(arguments) => reload::run(&arguments, environment),
        Command::Upgrade(arguments) => upgrade::run(&arguments, environment, understand),
        Command::Stop(arguments) => stop::run(&arguments, environment),
        Command::Service(arguments) => service::run(&arguments, environment),
        Command::Cert(arguments) => cert::run(&arguments, environment),
        Command::User(arguments) => user::run(&arguments, environment),
        Command::Import(arguments) => import::run(&arguments, environment),
        Command::Registry(arguments) => registry::run(arguments, environment),
        Command::Proxy(arguments) => proxy::run(arguments, environment),
        Command::Acme(arguments) => acme::run(&arguments, environment),
    };
    match done {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}
