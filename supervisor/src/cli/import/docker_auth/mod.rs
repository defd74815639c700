//! A docker_auth configuration: `users` with passwords, `acl` with ordered rules.
//!
//! Whoever may do something afterwards could do it with docker_auth. What cannot be carried over is left out with a
//! warning where that denies more, and refused where it could allow more.

mod error;
mod labels;
mod rules;
mod section;
mod users;
mod values;

use std::collections::BTreeMap;

use lockgate_registry::accounts::{AccountName, PasswordHash};
use serde_yaml::Value;

use self::error::ImportError;
use self::rules::Rule;
use self::values::Messages;

/// The result of an import.
#[derive(Debug)]
pub(super) struct DockerAuth {
    /// Accounts with their passwords.
    pub(super) accounts: Vec<(AccountName, PasswordHash)>,
    /// Users of whom no account is made.
    pub(super) without_account: Vec<String>,
    /// Whether those are let in who are not logged in.
    pub(super) anonymous: bool,
    /// The rules, each one line of YAML.
    pub(super) acl: Vec<String>,
    /// Groups that the rules ask for.
    pub(super) groups: BTreeMap<String, Vec<String>>,
    /// Differences that change nothing.
    pub(super) notes: Vec<String>,
    /// What is left out, which denies more than before.
    pub(super) warnings: Vec<String>,
}

impl DockerAuth {
    /// Reads `root`, which is `text`, the content of `file`. `service` is the one that tokens are asked for here.
    pub(super) fn read(root: &Value, text: &str, file: &str, service: Option<&str>) -> Result<Self, ImportError> {
        let section = section::find(root, file)?;
        let mut messages = Messages {
            odd_numbers: values::has_odd_numbers(text),
            ..Messages::default()
        };
        let users = users::read(&section, &mut messages);
        let rules = rules::read(&section, &users, service, &mut messages);
        let anonymous = users.anonymous().filter(|_| !rules.is_empty());
        if let Some(user) = anonymous
            && let Some(rule) = rules.iter().find(|rule| rule.lets_write(user))
        {
            messages.warning(
                &rule.place,
                "whoever is not logged in may only pull here, whatever the rule allows; pushing and deleting take an \
                 account",
            );
        }
        let (mut rules, groups) = labels::group(rules, &users.users, section.has_accounts_elsewhere(), &mut messages);
        let anonymous = anonymous.is_some();
        if anonymous && !rules.iter().any(|rule| rule.account() == Some("")) {
            rules.push(Rule::about_anonymous());
        }
        section.report_ignored_keys(&mut messages);
        if !messages.mistakes.is_empty() {
            return Err(ImportError::Mistakes(messages.mistakes));
        }
        Ok(Self {
            accounts: users.accounts,
            without_account: users.without_account,
            anonymous,
            acl: rules.iter().map(Rule::written).collect(),
            groups,
            notes: messages.notes,
            warnings: messages.warnings,
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
