//! Which users the two processes run as. A supervisor that is root gives each a user of its own, so that neither reads
//! the other's files or memory; both have one group, through which they share data and sockets.

use std::path::{Path, PathBuf};

use lockgate_config::{AccountId, Config, Home, Process, Reader};
use nix::unistd::{getegid, geteuid};

use super::capabilities;
use super::path_access::first_denied;
use super::system_user::{SystemUser, Users, group_number, user_number};
pub(crate) use super::user_error::UserError;
use super::user_error::{closed, opening};
use crate::role::Role;

/// Existing data, and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataDir {
    pub(crate) root: PathBuf,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// The decision, with remarks for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunAs {
    /// Both processes run as the user who started the supervisor.
    SameUser {
        /// Why, if that user is root.
        reason: Option<String>,
    },
    /// Each process runs as a user of its own.
    SeparateUsers {
        users: Users,
        /// Remarks for the log, a line each.
        remarks: Vec<String>,
    },
}

impl RunAs {
    /// Decides from the configuration, the rights of this process and the owner of existing data. `data_dir` is `None`
    /// when there is no data, or when its owner is to be changed (`--chown`).
    pub(crate) fn resolve(config: &Config, home: &Home, data_dir: Option<&DataDir>) -> Result<Self, UserError> {
        let configured = configured(&config.process);
        if !geteuid().is_root() {
            return match configured {
                Some((key, id)) if !is_present(key, id)? => Err(UserError::NotRoot {
                    key,
                    name: id.to_string(),
                    present: geteuid().as_raw(),
                }),
                _ => Ok(Self::SameUser { reason: None }),
            };
        }
        let users = Users::configured(&config.process)?;
        if let Some(reason) = unable(&users) {
            return match configured {
                Some((key, id)) if !is_present(key, id)? => Err(UserError::Unable {
                    key,
                    name: id.to_string(),
                    reason,
                }),
                _ => Ok(Self::SameUser { reason: Some(reason) }),
            };
        }
        separate_users(users, config, home, data_dir)
    }

    /// The users, unless both processes run as the present one.
    pub(crate) fn users(&self) -> Option<&Users> {
        match self {
            Self::SameUser { .. } => None,
            Self::SeparateUsers { users, .. } => Some(users),
        }
    }

    /// Who should own the files of each process; `None` when this process may not change owners.
    pub(crate) fn owners(&self) -> Option<Users> {
        match self {
            Self::SeparateUsers { users, .. } => Some(users.clone()),
            Self::SameUser { reason: Some(_) } => {
                let present = SystemUser {
                    name: "root".to_owned(),
                    user: geteuid().as_raw(),
                    group: getegid().as_raw(),
                };
                Some(Users {
                    proxy: present.clone(),
                    registry: present,
                })
            }
            Self::SameUser { reason: None } => None,
        }
    }

    /// Remarks for the log, a line each.
    pub(crate) fn remarks(&self) -> Vec<String> {
        match self {
            Self::SameUser { reason } => reason
                .iter()
                .map(|reason| {
                    format!("the proxy and the registry run as root too, without root's special rights: {reason}")
                })
                .collect(),
            Self::SeparateUsers { remarks, .. } => remarks.clone(),
        }
    }
}

/// Decides for root, which can start processes as `users` if the owner of the data and the modes of directories allow it.
fn separate_users(
    mut users: Users,
    config: &Config,
    home: &Home,
    data_dir: Option<&DataDir>,
) -> Result<RunAs, UserError> {
    let mut remarks = Vec::new();
    if let Some(data_dir) = data_dir.filter(|data_dir| data_dir.user != users.registry.user) {
        remarks.push(users.use_owner_of(data_dir, &config.process)?);
    }
    if users.proxy.user == users.registry.user {
        remarks.push(format!(
            "the proxy and the registry run both as user {}: only Landlock keeps them apart",
            users.proxy.user
        ));
    }
    let Some((account, barrier, path)) = first_denied_path(&users, config, home) else {
        return Ok(RunAs::SeparateUsers { users, remarks });
    };
    let owned_by_root = data_dir.is_none_or(|data_dir| data_dir.user == 0);
    if configured(&config.process).is_none() && owned_by_root {
        return Ok(RunAs::SameUser {
            reason: Some(format!(
                "{}; to run them as other users, choose another place or open this one with chmod",
                closed(&account.to_string(), &barrier, &path)
            )),
        });
    }
    Err(UserError::Unreachable {
        user: account.to_string(),
        number: account.user,
        barrier,
        path,
    })
}

/// The first path that a user needs and cannot reach, with the user and what denies it.
fn first_denied_path(users: &Users, config: &Config, home: &Home) -> Option<(SystemUser, PathBuf, PathBuf)> {
    needed(config, home).into_iter().find_map(|(role, path)| {
        let account = users.of(role);
        let barrier = first_denied(&path, account, Some(home.root()))?;
        Some((account.clone(), barrier, path))
    })
}

/// The first file or directory that its reader cannot reach even after set-up, which opens the home's own directories
/// and the files of the configuration that lie in it.
pub(crate) fn denied_after_setup(config: &Config, home: &Home, users: &Users) -> Option<String> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let above = |file: &Path| file.parent().map(Path::to_owned);
    let own: Vec<_> = [
        Some(home.root().to_owned()),
        above(&home.leaf_key()),
        above(&home.htpasswd()),
    ]
    .into_iter()
    .flatten()
    .map(|directory| real(&directory))
    .collect();
    needed(config, home).into_iter().find_map(|(role, path)| {
        let account = users.of(role);
        let barrier = first_denied(&path, account, None)?;
        let will_open = own.contains(&barrier) || (barrier == real(&path) && barrier.starts_with(&own[0]));
        let closed = closed(&account.to_string(), &barrier, &path);
        (!will_open).then(|| format!("{closed}; {} opens it", opening(account.user, &barrier)))
    })
}

impl Users {
    /// Lets the registry run as the owner of the data, and the proxy read it through its group, unless the configuration
    /// names another user. Returns the remark about it.
    fn use_owner_of(&mut self, data_dir: &DataDir, process: &Process) -> Result<String, UserError> {
        if process.registry_user.is_some() {
            return Err(UserError::OthersData {
                root: data_dir.root.clone(),
                owner: data_dir.user,
                user: self.registry.to_string(),
            });
        }
        let remark = format!(
            "{}: belongs to user {}, so the registry runs as that user; `lockgate start --chown` gives it to {}",
            data_dir.root.display(),
            data_dir.user,
            self.registry
        );
        self.registry.user = data_dir.user;
        self.registry.name = data_dir.user.to_string();
        if process.group.is_none() {
            self.registry.group = data_dir.group;
            self.proxy.group = data_dir.group;
        }
        Ok(remark)
    }
}

/// The paths that each process has to reach. Certificates are not among them: the proxy gets copies.
fn needed(config: &Config, home: &Home) -> Vec<(Role, PathBuf)> {
    let shared = [Role::Proxy, Role::Registry]
        .into_iter()
        .flat_map(|role| [(role, home.root().to_owned()), (role, config.storage.root.clone())]);
    let named = config.files().into_iter().filter_map(|named| {
        let role = match named.role.reader() {
            Reader::Proxy if !named.role.is_copied() => Role::Proxy,
            Reader::Registry => Role::Registry,
            Reader::Proxy | Reader::Supervisor => return None,
        };
        Some((role, named.path.to_owned()))
    });
    shared.chain(named).collect()
}

/// The first key of `process` that is set.
fn configured(process: &Process) -> Option<(&'static str, &AccountId)> {
    [
        ("proxyuser", &process.proxy_user),
        ("registryuser", &process.registry_user),
        ("group", &process.group),
    ]
    .into_iter()
    .find_map(|(key, id)| Some((key, id.as_ref()?)))
}

/// Whether `id` is the user or group of this process.
fn is_present(key: &'static str, id: &AccountId) -> Result<bool, UserError> {
    Ok(if key == "group" {
        group_number(id)? == getegid().as_raw()
    } else {
        user_number(key, id)? == geteuid().as_raw()
    })
}

/// The reason why root cannot start processes as these users, if there is one.
fn unable(users: &Users) -> Option<String> {
    if !capabilities::can_become_others() {
        return Some("root has no right to start processes as other users here".to_owned());
    }
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let missing = [users.proxy.user, users.registry.user]
        .into_iter()
        .find(|user| !is_mapped(&map, *user))?;
    Some(format!("this user namespace has no user {missing}"))
}

/// user_namespaces(7): first number inside, first number outside, how many. Nothing is known without a map.
fn is_mapped(map: &str, user: u32) -> bool {
    let ranges = map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (first, _, count) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
        Some(first..first + count)
    });
    let mut any = false;
    for range in ranges {
        any = true;
        if range.contains(&u64::from(user)) {
            return true;
        }
    }
    !any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_namespace_may_lack_them() {
        assert!(is_mapped("         0          0 4294967295\n", 65_533));
        assert!(!is_mapped("         0       1000          1\n", 65_533));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", 65_533));
        assert!(is_mapped("", 65_533));
    }
}
