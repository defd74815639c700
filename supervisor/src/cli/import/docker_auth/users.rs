//! `users`: who can log in with docker_auth, and with what.

use lockgate_registry::accounts::{AccountName, HashKind, PasswordHash, hash_password};
use serde_yaml::{Mapping, Value};

use super::section::Section;
use super::values::{Messages, get, join, mapping, plain, text, texts};

/// A user of docker_auth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// `""`: whoever is not logged in.
    pub(super) name: String,
    /// Names of labels with their values.
    pub(super) labels: Vec<(String, Vec<String>)>,
}

/// The users of a configuration.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub(super) accounts: Vec<(AccountName, PasswordHash)>,
    /// Those of whom no account is made, whoever may have one of that name here.
    pub(super) without_account: Vec<String>,
    /// Those whom rules can be about, `""` too when it is let in.
    pub(super) users: Vec<User>,
}

impl Users {
    /// Those who are not logged in, when they are let in.
    pub(super) fn anonymous(&self) -> Option<&User> {
        self.users.iter().find(|user| user.name.is_empty())
    }
}

pub(super) fn read(section: &Section<'_>, messages: &mut Messages) -> Users {
    let mut read = Users::default();
    let place = section.place("users");
    let expected = "users: {NAME: {password: HASH}}";
    let users = mapping(section.mapping, "users", &place, expected, messages);
    for (name, user) in users.into_iter().flatten() {
        // A key that is null is the name "" to docker_auth.
        let name = text(name, &place, messages).unwrap_or_default();
        let place = join(&place, if name.is_empty() { "\"\"" } else { &name });
        match plain(user) {
            Value::Mapping(user) if name.is_empty() => read.nameless(user, &place, messages),
            Value::Mapping(user) => read.named(name, user, &place, section.is_pillar, messages),
            Value::Null if name.is_empty() => {}
            Value::Null => {
                read.without_account.push(name);
                messages.warning(
                    &place,
                    "no account was made: there is nothing in it, so nobody can log in with docker_auth",
                );
            }
            _ => messages.mistake(&place, "expected {password: HASH}"),
        }
    }
    read
}

impl Users {
    /// docker_auth lets anybody in as `""` who sends no password, unless that takes one.
    fn nameless(&mut self, user: &Mapping, place: &str, messages: &mut Messages) {
        let password = get(user, "password").and_then(|password| text(password, place, messages));
        let is_let_in = password.is_none_or(|password| bcrypt(&password).is_ok_and(|hash| hash.verify("")));
        if is_let_in {
            self.push(String::new(), user, place, messages);
        } else {
            messages.note(place, "its password is not empty, so docker_auth lets in nobody who is not logged in, and neither is done here");
        }
    }

    fn named(&mut self, name: String, user: &Mapping, place: &str, is_pillar: bool, messages: &mut Messages) {
        let account = name.parse::<AccountName>();
        let password = match get(user, "password") {
            None => {
                Err("it has no password, so docker_auth lets anybody in under this name with any password".to_owned())
            }
            Some(Value::String(password)) if is_pillar && is_plain(password) => hashed(password),
            Some(Value::String(password)) => bcrypt(password),
            Some(_) => Err(NO_HASH.to_owned()),
        };
        match (account, password) {
            (Ok(account), Ok(hash)) => self.accounts.push((account, hash)),
            (Err(error), _) => {
                messages.warning(place, &format!("no account was made: {error}"));
                self.without_account.push(name.clone());
            }
            (Ok(account), Err(why)) => {
                let make = format!("`lockgate user add {account}` makes the account with a password");
                messages.warning(&join(place, "password"), &format!("no account was made: {why}; {make}"));
                self.without_account.push(name.clone());
            }
        }
        self.push(name, user, place, messages);
    }

    fn push(&mut self, name: String, user: &Mapping, place: &str, messages: &mut Messages) {
        let place = join(place, "labels");
        let labels = mapping(user, "labels", &place, "labels: {NAME: [VALUES]}", messages);
        let label = |(label, values)| {
            let label = text(label, &place, messages).unwrap_or_default();
            let mut values = match plain(values) {
                Value::Null => Vec::new(),
                values => texts(values, &join(&place, &label), messages),
            };
            values.sort();
            values.dedup();
            (label, values)
        };
        let labels = labels.into_iter().flatten().map(label).collect();
        self.users.push(User { name, labels });
    }
}

const NO_HASH: &str = "this is no bcrypt hash, so nobody can log in with docker_auth";

fn bcrypt(password: &str) -> Result<PasswordHash, String> {
    match password.parse::<PasswordHash>() {
        Ok(hash) if hash.kind() == HashKind::Bcrypt => Ok(hash),
        Ok(_) => Err(NO_HASH.to_owned()),
        Err(error @ lockgate_registry::accounts::InvalidHash::Costly { .. }) => Err(error.to_string()),
        Err(_) => Err(NO_HASH.to_owned()),
    }
}

/// Whether the text of a pillar can be a password: hashes and what a template would fill in begin with these.
fn is_plain(password: &str) -> bool {
    !password.is_empty() && !password.starts_with(['$', '{'])
}

/// As the pillar's states hash it: its first line.
fn hashed(password: &str) -> Result<PasswordHash, String> {
    let hash = hash_password(password.trim_end_matches('\n')).map_err(|error| error.to_string())?;
    hash.parse()
        .map_err(|_| "the hash that was made is malformed".to_owned())
}
