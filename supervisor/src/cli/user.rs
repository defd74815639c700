//! `lockgate user`: accounts in the file that the configuration names.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lockgate_config::{Config, Secret};
use lockgate_registry::accounts::{
    AccountName, Accounts, HashKind, InvalidAccountName, PasswordHash, hash_password, hash_password_bcrypt,
};

use super::config_in_use::ConfigInUse;
use crate::bootstrap::places::Places;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::os::terminal;
use crate::setup::for_readers;

/// Adds, changes, removes and lists accounts. A running registry takes up the change by itself.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add an account
    Add(WithPassword),
    /// Change the password of an account
    Passwd(WithPassword),
    /// Remove an account
    Rm(Named),
    /// List the accounts
    List(AccountsArgs),
}

#[derive(Debug, Args)]
struct WithPassword {
    #[command(flatten)]
    named: Named,
    /// Read the password from stdin instead of asking at the terminal
    #[arg(long)]
    password_stdin: bool,
    /// Hash with bcrypt, for a file that is shared with nginx or Apache
    #[arg(long)]
    bcrypt: bool,
}

#[derive(Debug, Args)]
struct Named {
    /// The account
    name: String,
    #[command(flatten)]
    place: AccountsArgs,
}

#[derive(Debug, Args)]
struct AccountsArgs {
    #[command(flatten)]
    places: Places,
    /// The htpasswd file [default: auth.htpasswd.path of the configuration]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        Command::Add(add) => {
            let (name, opened) = add.named.open(environment)?;
            let hash = add.hash()?;
            let add_it = || opened.accounts.add(&name, &hash).map_err(Failure::new);
            let place = &add.named.place;
            match &opened.config {
                Some(config) => for_readers(config, &place.places.home(environment), place.file.is_some(), add_it)?,
                None => add_it()?,
            }
            println!("added {name}");
        }
        Command::Passwd(change) => {
            let (name, opened) = change.named.open(environment)?;
            let hash = change.hash()?;
            opened.accounts.set_password(&name, &hash).map_err(Failure::new)?;
            println!("changed the password of {name}");
        }
        Command::Rm(remove) => {
            let (name, opened) = remove.open(environment)?;
            opened.accounts.remove(&name).map_err(Failure::new)?;
            println!("removed {name}");
        }
        Command::List(place) => {
            for account in place.open(environment)?.accounts.list().map_err(Failure::new)? {
                match account.kind {
                    Ok(kind) => println!("{}\t{}", account.name, name_of(kind)),
                    Err(problem) => println!("{}\tcannot log in: {problem}", account.name),
                }
            }
        }
    }
    Ok(())
}

impl Named {
    fn open(&self, environment: &Environment) -> Result<(AccountName, Opened), Failure> {
        let name = self
            .name
            .parse()
            .map_err(|error: InvalidAccountName| Failure::usage(error))?;
        Ok((name, self.place.open(environment)?))
    }
}

/// The accounts, and the configuration that names their file.
struct Opened {
    accounts: Accounts,
    config: Option<Config>,
}

impl AccountsArgs {
    fn open(&self, environment: &Environment) -> Result<Opened, Failure> {
        let Some(file) = &self.file else {
            let source = ConfigInUse::by(&self.places, environment)?.source();
            let config = source.load()?.config;
            let Some(htpasswd) = &config.auth.htpasswd else {
                let path = source.path().display();
                return Err(Failure::configuration(format!(
                    "{path}: auth.htpasswd is not set: there is no file of accounts; name one with --file"
                )));
            };
            return Ok(Opened {
                accounts: Accounts::new(&htpasswd.path),
                config: Some(config),
            });
        };
        // A file alone needs no configuration, but one that is configured is left to its reader.
        let source = ConfigInUse::by(&self.places, environment).map(|configured| configured.source());
        let config = source.ok().and_then(|source| source.load().ok());
        let config = config.map(|loaded| loaded.config).filter(|config| {
            let named = config.auth.htpasswd.as_ref().map(|htpasswd| &htpasswd.path);
            std::path::absolute(file).ok().as_ref() == named
        });
        Ok(Opened {
            accounts: Accounts::new(file),
            config,
        })
    }
}

impl WithPassword {
    fn hash(&self) -> Result<PasswordHash, Failure> {
        let password = self
            .password()
            .map_err(|error| Failure::new(format!("no password: {error}")))?;
        let hash = if self.bcrypt {
            hash_password_bcrypt
        } else {
            hash_password
        };
        // The file holds the hash of it.
        let text = hash(password.reveal()).map_err(Failure::new)?;
        text.parse()
            .map_err(|_| Failure::new("the hash that was made is malformed"))
    }

    fn password(&self) -> std::io::Result<Secret> {
        if self.password_stdin {
            terminal::password_from_stdin()
        } else {
            terminal::new_password(&self.named.name)
        }
    }
}

fn name_of(kind: HashKind) -> &'static str {
    match kind {
        HashKind::Argon2id => "argon2id",
        HashKind::Bcrypt => "bcrypt",
        HashKind::Apr1 => "apr1",
    }
}
