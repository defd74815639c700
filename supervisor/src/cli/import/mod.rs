//! `lockgate import`: what moves over from other systems, in one command.

mod config_text;
mod docker_auth;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use lockgate_config::read_yaml;
use lockgate_files::rewrite;
use lockgate_registry::accounts::Accounts;
use lockgate_registry::{Scope, explain};

use self::docker_auth::DockerAuth;
use super::config_in_use::ConfigInUse;
use super::reload;
use crate::bootstrap::places::Places;
use crate::configuration::source::{ConfigSource, LoadedConfig};
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::setup::for_readers;

/// Takes over accounts and rights from another system, and never gives more rights than they had there.
///
/// Exit 3 when accounts or rights were left out, each with a warning; exit 78 when nothing was changed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The users and acl of a docker_auth configuration, or of a file that holds them further down
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
    let root = read_yaml(&from.file, &bytes)?;

    let source = ConfigInUse::by(&from.places, environment)?.source();
    let before = source.load()?;
    let htpasswd = has_room_for_rules(&before, source.path())?;
    let issuer = before.config.auth.issuer.as_ref();
    let service = issuer.map(|issuer| issuer.service.as_str());
    let found = DockerAuth::read(&root, &String::from_utf8_lossy(&bytes), &file.to_string(), service);
    let found = found.map_err(|error| {
        let lines: Vec<_> = error
            .to_string()
            .lines()
            .map(|line| format!("{file}: {line}"))
            .collect();
        Failure::configuration(lines.join("\n"))
    })?;
    if found.anonymous && issuer.is_none() {
        return Err(Failure::configuration(format!(
            "{file}: users.\"\" lets those in who are not logged in, which takes auth.issuer in {}: clients ask for a \
             login unless tokens are issued; add `issuer: true` below `auth:` and import again",
            source.path().display()
        )));
    }
    let after = accept(&source, &before, &found)?;

    let home = from.places.home(environment);
    for_readers(&before.config, &home, false, || {
        // The rules come first: without them the new accounts may do everything.
        replace(source.path(), &after.text)?;
        if let Err(failure) = reload::if_running(&home) {
            replace(source.path(), &before.text)?;
            return Err(failure);
        }
        println!("auth.acl of {} has {} rules", source.path().display(), found.acl.len());
        add(&Accounts::new(&htpasswd), &found)
    })?;
    for note in &found.notes {
        println!("{file}: {note}");
    }
    println!(
        "`lockgate check --as ACCOUNT pull repository:NAME` explains a right; restart a `lockgate registry` that runs \
         alone, to put the rules in force"
    );
    for warning in &found.warnings {
        eprintln!("{file}: warning: {warning}");
    }
    match found.warnings.is_empty() {
        true => Ok(()),
        false => Err(Failure::undone()),
    }
}

/// The file of accounts, when there is one and no rules that new ones could contradict.
fn has_room_for_rules(before: &LoadedConfig, path: &Path) -> Result<PathBuf, Failure> {
    let refused = |why: &str| Failure::configuration(format!("{}: {why}", path.display()));
    let auth = &before.config.auth;
    let Some(htpasswd) = &auth.htpasswd else {
        return Err(refused(
            "auth.htpasswd is not set: there is no file for the accounts; set auth.htpasswd.path, and auth.issuer in \
             place of auth.token where tokens came from docker_auth",
        ));
    };
    if auth.acl.is_some() {
        return Err(refused(
            "auth.acl is there already; take it out, or add the new rules to it by hand",
        ));
    }
    if !auth.groups.is_empty() {
        return Err(refused(
            "auth.groups is there already; take it out, and add it again after the import",
        ));
    }
    Ok(htpasswd.path.clone())
}

/// The configuration with what was found, read again: what is in force is what was meant, variables included.
fn accept(source: &ConfigSource, before: &LoadedConfig, found: &DockerAuth) -> Result<LoadedConfig, Failure> {
    let path = source.path().display();
    let text = config_text::with_rules(&before.text, &found.acl, &found.groups)
        .map_err(|error| Failure::configuration(format!("{path}: {error}")))?;
    let after = source.parse(text)?;
    let auth = &after.config.auth;
    if auth.acl.as_ref().map(Vec::len) != Some(found.acl.len()) || auth.groups != found.groups {
        return Err(Failure::configuration(format!(
            "{path}: the rules would not be in force as they are; are there variables REGISTRY_AUTH_ACL_...?"
        )));
    }
    explain(auth, None, &Scope::catalog(), None).map_err(|error| Failure::configuration(format!("{path}: {error}")))?;
    Ok(after)
}

/// Accounts that are there keep their password. The others are added at once, so that an import that is interrupted adds
/// all or none.
fn add(accounts: &Accounts, found: &DockerAuth) -> Result<(), Failure> {
    let there = if found.accounts.is_empty() {
        HashSet::new()
    } else {
        let there = accounts.add_missing(&found.accounts).map_err(Failure::new)?;
        there.into_iter().collect()
    };
    for (name, _) in &found.accounts {
        if there.contains(name) {
            println!(
                "account {name} was there already, its password stays; `lockgate user passwd {name}` sets another"
            );
        } else {
            println!("added account {name}");
        }
    }
    for account in accounts.list().unwrap_or_default() {
        if found.without_account.contains(&account.name) {
            let name = account.name;
            println!("account {name} was there already and stays, and the rules are about it too");
        }
    }
    Ok(())
}

fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    rewrite(path, text).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                ", owner and mode could not be kept: import as the file's owner, or as root"
            }
            _ => "",
        };
        Failure::new(format!("{}: {error}{advice}", path.display()))
    })
}
