//! `lockgate user`: accounts in the file that the configuration names.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lockgate_config::{Config, Secret};
use lockgate_registry::accounts::{
    AccountName, Accounts, HashKind, InvalidAccountName, PasswordHash, hash_password, hash_password_bcrypt,
};

use super::Failure;
use super::places::Places;
use crate::environment::Environment;
use crate::setup::for_readers;
use crate::source::Source;
use crate::terminal;

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
    List(Place),
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
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    places: Places,
    /// The htpasswd file [default: auth.htpasswd.path of the configuration]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        Command::Add(add) => {
            let (name, accounts) = add.named.open(environment)?;
            let hash = add.hash()?;
            let add_it = || accounts.add(&name, &hash).map_err(Failure::new);
            match add.named.place.config(environment)? {
                Some(config) => for_readers(&config, &add.named.place.places.home(environment), add_it)?,
                None => add_it()?,
            }
            println!("added {name}");
        }
        Command::Passwd(change) => {
            let (name, accounts) = change.named.open(environment)?;
            accounts.set_password(&name, &change.hash()?).map_err(Failure::new)?;
            println!("changed the password of {name}");
        }
        Command::Rm(remove) => {
            let (name, accounts) = remove.open(environment)?;
            accounts.remove(&name).map_err(Failure::new)?;
            println!("removed {name}");
        }
        Command::List(place) => {
            for account in place.accounts(environment)?.list().map_err(Failure::new)? {
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
    fn open(&self, environment: &Environment) -> Result<(AccountName, Accounts), Failure> {
        let name = self
            .name
            .parse()
            .map_err(|error: InvalidAccountName| Failure::usage(error))?;
        Ok((name, self.place.accounts(environment)?))
    }
}

impl Place {
    /// The configuration, when it is what names the file.
    fn config(&self, environment: &Environment) -> Result<Option<Config>, Failure> {
        match &self.file {
            Some(_) => Ok(None),
            None => self.load(environment).map(Some),
        }
    }

    fn load(&self, environment: &Environment) -> Result<Config, Failure> {
        let source = Source::new(self.places.config_file(environment), environment, None);
        Ok(source.load()?.config)
    }

    fn accounts(&self, environment: &Environment) -> Result<Accounts, Failure> {
        if let Some(file) = &self.file {
            return Ok(Accounts::new(file));
        }
        let path = self.places.config_file(environment);
        let config = self.load(environment)?;
        let htpasswd = config.auth.htpasswd.ok_or_else(|| {
            let path = path.display();
            Failure::configuration(format!(
                "{path}: auth.htpasswd is not set: there is no file of accounts; name one with --file"
            ))
        })?;
        Ok(Accounts::new(htpasswd.path))
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
