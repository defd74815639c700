//! The system accounts that the children run as, when the supervisor is root.

use std::io;
use std::process::{Command, Output};

use nix::unistd::{Gid, Group, Uid, User};

use crate::sandbox::system_user::{GROUP, PROXY, REGISTRY};

/// Each with the number that the processes use while there is no account, so that files made before keep their reader.
const USERS: [(&str, u32); 2] = [PROXY, REGISTRY];

/// An account that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SystemAccountsError {
    #[error("cannot make the accounts {} and {}: neither systemd-sysusers nor useradd is here; make them, or name others under process in config.yml", PROXY.0, REGISTRY.0)]
    NoMeans,
    #[error("{program} cannot make the accounts: {message}")]
    Refused { program: &'static str, message: String },
}

/// Makes the accounts that are missing; returns their names.
pub(crate) fn make() -> Result<Vec<&'static str>, SystemAccountsError> {
    let group = Group::from_name(GROUP.0).ok().flatten().is_none();
    let users = USERS.into_iter().map(|(user, _)| user);
    let users = users.filter(|user| User::from_name(user).ok().flatten().is_none());
    let missing: Vec<_> = group.then_some(GROUP.0).into_iter().chain(users).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    match by_sysusers() {
        Ok(()) => Ok(missing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => by_hand(&missing).map(|()| missing),
        Err(error) => Err(refused("systemd-sysusers", &error)),
    }
}

/// One account a line, sysusers.d(5); without a home and without a shell. A number that is taken already is ignored.
fn by_sysusers() -> io::Result<()> {
    let (group, number) = GROUP;
    let lines = std::iter::once(format!("g {group} {number}"))
        .chain(USERS.map(|(user, number)| format!("u {user} {number}:{group} \"Lockgate container registry\"")));
    let mut command = Command::new("systemd-sysusers");
    // A group by name needs version 246; a message tells when it is older.
    command.arg("--inline").args(lines);
    succeed(command.output()?)
}

fn by_hand(missing: &[&'static str]) -> Result<(), SystemAccountsError> {
    for &name in missing {
        let (program, arguments) = match USERS.into_iter().find(|(user, _)| *user == name) {
            None => ("groupadd", group_arguments()),
            Some((_, number)) => ("useradd", user_arguments(number)),
        };
        let output = Command::new(program).args(arguments).arg(name).output();
        output.and_then(succeed).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SystemAccountsError::NoMeans,
            _ => refused(program, &error),
        })?;
    }
    Ok(())
}

fn group_arguments() -> Vec<String> {
    let taken = Group::from_gid(Gid::from_raw(GROUP.1)).ok().flatten();
    let mut arguments = vec!["--system".to_owned()];
    arguments.extend(taken.is_none().then(|| format!("--gid={}", GROUP.1)));
    arguments
}

fn user_arguments(number: u32) -> Vec<String> {
    let taken = User::from_uid(Uid::from_raw(number)).ok().flatten();
    let mut arguments = [
        "--system",
        "--no-create-home",
        "--home-dir=/",
        "--shell=/usr/sbin/nologin",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--gid={}", GROUP.0));
    arguments.extend(taken.is_none().then(|| format!("--uid={number}")));
    arguments
}

fn succeed(output: Output) -> io::Result<()> {
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}

fn refused(program: &'static str, error: &io::Error) -> SystemAccountsError {
    SystemAccountsError::Refused {
        program,
        message: error.to_string(),
    }
}
