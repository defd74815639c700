//! The first account: made when the file of accounts is missing.

use std::path::{Path, PathBuf};

use lockgate_config::{Config, Home, Secret};
use lockgate_registry::accounts::{AccountName, Accounts, PasswordHash, hash_password};

use super::password::{Password, kept_in};
use super::{SetupError, directories, ownership};
use crate::os::environment::Environment;
use crate::sandbox::run_as::RunAs;

const DEFAULT_NAME: &str = "admin";

/// The account of a first start.
#[derive(Debug)]
pub(crate) struct FirstAccount {
    pub(crate) name: AccountName,
    /// The password, when it was generated and is to be shown once.
    pub(crate) password: Option<Secret>,
}

/// Makes the file of accounts with one account, unless it is there or the configuration names none.
pub(super) fn ensure(
    config: &Config,
    home: &Home,
    environment: &Environment,
    run_as: &RunAs,
    made: &mut Vec<PathBuf>,
) -> Result<Option<FirstAccount>, SetupError> {
    let Some(htpasswd) = &config.auth.htpasswd else {
        return Ok(None);
    };
    if htpasswd.path.exists() {
        return Ok(None);
    }
    let directory = htpasswd.path.parent().unwrap_or(Path::new("."));
    let is_new = !directory.exists();
    directories::accounts(directory)?;
    let name: AccountName = environment.value("LOCKGATE_USERNAME").unwrap_or(DEFAULT_NAME).parse()?;
    let password = match environment.value("LOCKGATE_PASSWORD") {
        Some(password) => Password::Supplied(Secret::new(password)),
        None => kept_in(&home.password_file())?,
    };
    // The file holds the hash of it.
    let hash: PasswordHash = hash_password(password.secret().reveal())?
        .parse()
        .expect("a hash that was just made is well formed");
    Accounts::new(&htpasswd.path).add(&name, &hash)?;
    if let Some(users) = run_as.owners() {
        ownership::assign_new(&htpasswd.path, is_new.then_some(directory), &users.registry)?;
    }
    made.push(htpasswd.path.clone());
    let password = match password {
        Password::Made(secret) => {
            made.push(home.password_file());
            Some(secret)
        }
        Password::Supplied(_) => None,
    };
    Ok(Some(FirstAccount { name, password }))
}
