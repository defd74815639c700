//! `lockgate import`: what moves over from other systems, in one command.

mod docker_auth;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use lockgate_certs::files::{Existing, write_private};
use lockgate_config::text;
use lockgate_registry::accounts::{AccountName, Accounts, AccountsError, PasswordHash, hash_password};

use self::docker_auth::DockerAuth;
use super::Failure;
use super::configured::Configured;
use super::places::Places;
use crate::environment::Environment;
use crate::setup::for_readers;

/// Takes over accounts and rights from another system. Nothing is changed unless all of it can be.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The users and acl of a docker_auth configuration, or of a file that holds them somewhere within
    DockerAuth(From),
}

#[derive(Debug, Args)]
struct From {
    /// The file, YAML
    file: PathBuf,
    #[command(flatten)]
    places: Places,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let Command::DockerAuth(from) = &arguments.command;
    let file = from.file.display();
    let bytes = fs::read(&from.file).map_err(|error| Failure::new(format!("{file}: {error}")))?;
    let text = text::decode(&bytes).map_err(|error| Failure::configuration(format!("{file}: {error}")))?;
    let found = DockerAuth::parse(text).map_err(|error| Failure::configuration(format!("{file}: {error}")))?;

    let source = Configured::by(&from.places, environment)?.source();
    let before = source.load()?;
    let path = source.path().to_owned();
    let htpasswd = before.config.auth.htpasswd.as_ref().ok_or_else(|| {
        Failure::configuration(format!(
            "{}: auth.htpasswd is not set: there is no file for the accounts",
            path.display()
        ))
    })?;
    if before.config.auth.acl.is_some() && !found.acl.is_empty() {
        let message = "auth.acl is there already; take it out, or add the new rules to it by hand";
        return Err(Failure::configuration(format!("{}: {message}", path.display())));
    }
    let with_rules = found
        .add_to(&before.text)
        .map_err(|error| Failure::configuration(format!("{}: {error}", path.display())))?;
    let after = source.accept(with_rules)?;
    let accounts: Vec<_> = found.users.iter().map(account).collect::<Result<_, _>>()?;

    for_readers(&before.config, &from.places.home(environment), false, || {
        add(&Accounts::new(&htpasswd.path), &accounts)
    })?;
    if after.text != before.text {
        replace(&path, &after.text)?;
        println!("added {} rules to {}", found.acl.len(), path.display());
    }
    for name in &found.without_password {
        println!("{name:?} has no password in {file}: no account was made");
    }
    println!(
        "`lockgate check --as ACCOUNT pull repository:NAME` explains a right; `lockgate reload` applies the rules"
    );
    Ok(())
}

/// A hash is taken as it is, anything else is a password to be hashed.
fn account((name, password): &(String, lockgate_config::Secret)) -> Result<(AccountName, PasswordHash), Failure> {
    let account: AccountName = name
        .parse()
        .map_err(|error| Failure::configuration(format!("users.{name}: {error}")))?;
    let hash = match password.reveal().parse::<PasswordHash>() {
        Ok(hash) => hash,
        Err(_) => hash_password(password.reveal())
            .map_err(|error| Failure::configuration(format!("users.{name}.password: {error}")))?
            .parse()
            .map_err(|_| Failure::new("the hash that was made is malformed"))?,
    };
    Ok((account, hash))
}

/// Accounts that are there keep their password.
fn add(accounts: &Accounts, found: &[(AccountName, PasswordHash)]) -> Result<(), Failure> {
    for (name, hash) in found {
        match accounts.add(name, hash) {
            Ok(()) => println!("added account {name}"),
            Err(AccountsError::Exists { .. }) => println!("account {name} was there already, its password stays"),
            Err(error) => return Err(Failure::new(error)),
        }
    }
    Ok(())
}

fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let mode = fs::metadata(path).map_err(|error| failed(&error))?.permissions().mode();
    write_private(path, text.as_bytes(), Existing::Overwrite).map_err(|error| failed(&error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| failed(&error))
}
