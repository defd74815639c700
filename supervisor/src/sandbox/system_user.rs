//! Users of the system that the two processes run as, and how names become numbers.

use std::fmt;

use lockgate_config::{AccountId, Process};
use lockgate_files::UidGid;
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User};

use super::user_error::UserError;
use crate::role::Role;

/// Names looked up in the system's database, and the numbers taken where it has none: an image may hold no database.
pub(crate) const PROXY: (&str, u32) = ("lockgate-proxy", 65_532);
pub(crate) const REGISTRY: (&str, u32) = ("lockgate-registry", 65_533);
pub(crate) const GROUP: (&str, u32) = ("lockgate", 65_532);

/// A user to run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemUser {
    /// As the configuration or the database calls it.
    pub(crate) name: String,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// The user of each process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Users {
    pub(crate) proxy: SystemUser,
    pub(crate) registry: SystemUser,
}

impl SystemUser {
    /// The owner of files that this user alone reads.
    pub(crate) fn owner(&self) -> UidGid {
        UidGid {
            uid: self.user,
            gid: self.group,
        }
    }
}

impl fmt::Display for SystemUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name == self.user.to_string() {
            write!(f, "{}", self.user)
        } else {
            write!(f, "{} ({})", self.name, self.user)
        }
    }
}

impl Users {
    pub(crate) fn of(&self, role: Role) -> &SystemUser {
        match role {
            Role::Proxy => &self.proxy,
            Role::Registry => &self.registry,
        }
    }

    /// The configured users, or the default ones.
    pub(super) fn configured(process: &Process) -> Result<Self, UserError> {
        let group = match &process.group {
            Some(id) => group_number(id)?,
            None => Group::from_name(GROUP.0)
                .ok()
                .flatten()
                .map_or(GROUP.1, |found| found.gid.as_raw()),
        };
        let account = |key, id: &Option<AccountId>, (name, number): (&str, u32)| {
            let id = id.clone().unwrap_or_else(|| match User::from_name(name) {
                Ok(Some(_)) => AccountId::Name(name.to_owned()),
                _ => AccountId::Number(number),
            });
            Ok(SystemUser {
                user: user_number(key, &id)?,
                name: id.to_string(),
                group,
            })
        };
        Ok(Self {
            proxy: account("proxyuser", &process.proxy_user, PROXY)?,
            registry: account("registryuser", &process.registry_user, REGISTRY)?,
        })
    }
}

pub(super) fn user_number(key: &'static str, id: &AccountId) -> Result<u32, UserError> {
    let name = match id {
        AccountId::Number(number) => return Ok(*number),
        AccountId::Name(name) => name,
    };
    let found = found(key, name, User::from_name(name))?;
    found
        .map(|user: User| Uid::as_raw(user.uid))
        .ok_or_else(|| UserError::Unknown {
            key,
            name: name.clone(),
            kind: "user",
            make: format!("useradd --system --no-create-home {name}"),
        })
}

pub(super) fn group_number(id: &AccountId) -> Result<u32, UserError> {
    let name = match id {
        AccountId::Number(number) => return Ok(*number),
        AccountId::Name(name) => name,
    };
    let found = found("group", name, Group::from_name(name))?;
    found
        .map(|group: Group| Gid::as_raw(group.gid))
        .ok_or_else(|| UserError::Unknown {
            key: "group",
            name: name.clone(),
            kind: "group",
            make: format!("groupadd --system {name}"),
        })
}

/// getpwnam(3): where there is no database, nobody is in it.
fn found<T>(key: &'static str, name: &str, answer: nix::Result<Option<T>>) -> Result<Option<T>, UserError> {
    match answer {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        other => other.map_err(|errno| UserError::Lookup {
            key,
            name: name.to_owned(),
            source: errno.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_need_no_database_and_unknown_names_are_told() {
        let number = AccountId::Number(4_000_000);
        assert_eq!(user_number("proxyuser", &number).unwrap(), 4_000_000);
        let error = user_number("proxyuser", &AccountId::Name("no-such-user".into())).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("process.proxyuser = no-such-user: there is no such user"),
            "{error}"
        );
        let error = group_number(&AccountId::Name("no-such-group".into())).unwrap_err();
        assert!(error.to_string().contains("groupadd"), "{error}");
    }

    #[test]
    fn both_have_a_user_of_their_own_and_one_group() {
        let users = Users::configured(&Process::default()).unwrap();
        assert_ne!(users.proxy.user, users.registry.user);
        assert_eq!(users.proxy.group, users.registry.group);
        assert_ne!((users.proxy.user, users.registry.user), (0, 0));
    }
}
