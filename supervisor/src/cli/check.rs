//! `lockgate check`: every mistake of a configuration at once, the files that it names, and what its rules decide.

use std::io;
use std::net::IpAddr;

use clap::Args;
use lockgate_config::Config;
use lockgate_registry::Scope;
use lockgate_registry::accounts::Accounts;

use super::config_in_use::ConfigInUse;
use crate::bootstrap::places::Places;
use crate::configuration::source::ConfigSource;
use crate::configuration::variables::ActiveVariables;
use crate::failure::Failure;
use crate::inspect::inspect;
use crate::os::environment::Environment;
use crate::setup::SetupError;
use crate::setup::home_record::History;
use crate::setup::missing::{self, Locations};

/// Lists every mistake of a configuration, each with key path, value and what is expected; exit 78 when there is one.
///
/// The files and directories that it names are opened as far as this user may: what could not be looked at is a
/// warning, and so is an address that is in use. Nothing is made or changed.
///
/// With --as it says what an account may do and which rule decides: lockgate check --as alice pull,push
/// repository:team/app; exit 1 when not all of it is granted.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Explain what this account may do; "" for somebody who is not logged in
    #[arg(long = "as", value_name = "ACCOUNT", requires_all = ["actions", "resource"])]
    account: Option<String>,
    /// With --as: the client's address, for rules that ask for it
    #[arg(long, value_name = "ADDRESS", requires = "account")]
    from: Option<IpAddr>,
    /// With --as: pull, push, delete or *, separated by commas
    #[arg(requires = "account")]
    actions: Option<String>,
    /// With --as: repository:NAME, or registry:catalog
    #[arg(requires = "account")]
    resource: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let configured = ConfigInUse::by(&arguments.places, environment)?;
    let source = configured.source();
    let path = source.path().to_owned();
    let home = arguments.places.home(environment);
    let locations = Locations {
        home: &home,
        config: configured.config.as_deref(),
    };
    missing::configuration(&History::of(&home), locations).map_err(SetupError::from)?;
    let loaded = match is_to_be_made(&source, locations) {
        true => source.parse(lockgate_config::template(":443", &[]))?,
        false => source.load()?,
    };
    if let (Some(account), Some(actions), Some(resource)) =
        (&arguments.account, &arguments.actions, &arguments.resource)
    {
        if !resource.contains(':') {
            return Err(Failure::new(format!(
                "{resource}: expected repository:NAME or registry:catalog; did you mean repository:{resource}?"
            )));
        }
        warn_of_nobody(&loaded.config, account);
        return explain(
            &loaded.config,
            account,
            &format!("{resource}:{actions}"),
            arguments.from,
        );
    }
    let findings = inspect(&loaded.config, locations);
    if is_to_be_made(&source, locations) {
        println!(
            "{}: not there yet; this is about the one that `lockgate start` makes, with the variables applied",
            path.display()
        );
    }
    let path = path.display();
    let of_text = loaded.config.warnings.iter().map(ToString::to_string);
    for warning in of_text.chain(findings.warnings) {
        println!("{path}: warning: {warning}");
    }
    if !findings.mistakes.is_empty() {
        let mistakes = findings.mistakes.iter().map(|mistake| format!("{path}: {mistake}"));
        return Err(Failure::configuration(mistakes.collect::<Vec<_>>().join("\n")));
    }
    for line in ActiveVariables::new(&loaded.config, false).lines() {
        println!("{path}: {line}");
    }
    match findings.is_partial {
        true => println!("{path}: no mistakes in what this user may look at"),
        false => println!("{path}: no mistakes"),
    }
    Ok(())
}

/// A rule may be about an account that nobody has made, or whose name is mistyped.
fn warn_of_nobody(config: &Config, account: &str) {
    let Some(htpasswd) = config.auth.htpasswd.as_ref().filter(|_| !account.is_empty()) else {
        return;
    };
    let listed = Accounts::new(&htpasswd.path).list();
    if listed.is_ok_and(|listed| listed.iter().all(|known| known.name != account)) {
        println!("warning: {} has no account {account}", htpasswd.path.display());
    }
}

/// Whether a first start makes the configuration, with variables that say how to serve. Without any, a missing file is
/// rather a mistake of whoever asks.
fn is_to_be_made(source: &ConfigSource, locations: Locations<'_>) -> bool {
    let is_missing = matches!(source.path().symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound);
    locations.config.is_none() && is_missing && !source.variables().is_empty()
}

fn explain(config: &Config, account: &str, scope: &str, from: Option<IpAddr>) -> Result<(), Failure> {
    let scope: Scope = scope
        .parse()
        .map_err(|error| Failure::new(format!("{scope}: {error}")))?;
    let account = Some(account).filter(|account| !account.is_empty());
    let explanation = lockgate_registry::explain(&config.auth, account, &scope, from).map_err(Failure::new)?;
    println!("{explanation}");
    match explanation.is_granted() {
        true => Ok(()),
        false => Err(Failure::new(format!("{scope} is not granted"))),
    }
}
