//! The system accounts that the children run as, when the supervisor is root.

use std::io;
use std::process::{Command, Output};

use nix::unistd::{Group, User};

/// Whom `process.proxyuser` and `process.registryuser` mean unless they are set.
const USERS: [&str; 2] = ["lockgate-proxy", "lockgate-registry"];
/// What both share: data and sockets.
const GROUP: &str = "lockgate";

/// An account that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountsError {
    /// There is no means to.
    #[error("cannot make the accounts {} and {}: neither systemd-sysusers nor useradd is here; make them, or name others under process in config.yml", USERS[0], USERS[1])]
    NoMeans,
    /// The tool said no.
    #[error("{program} cannot make the accounts: {message}")]
    Refused { program: &'static str, message: String },
}

/// Makes those that are missing; gives their names.
pub(crate) fn make() -> Result<Vec<&'static str>, AccountsError> {
    let group = Group::from_name(GROUP).ok().flatten().is_none();
    let users = USERS
        .into_iter()
        .filter(|user| User::from_name(user).ok().flatten().is_none());
    let missing: Vec<_> = group.then_some(GROUP).into_iter().chain(users).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    match by_sysusers() {
        Ok(()) => Ok(missing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => by_hand(&missing).map(|()| missing),
        Err(error) => Err(refused("systemd-sysusers", &error)),
    }
}

/// One account a line, sysusers.d(5); without a home and without a shell.
fn by_sysusers() -> io::Result<()> {
    let lines = std::iter::once(format!("g {GROUP} -"))
        .chain(USERS.map(|user| format!("u {user} -:{GROUP} \"Lockgate container registry\"")));
    let mut command = Command::new("systemd-sysusers");
    // A group by name needs version 246; a message tells when it is older.
    command.arg("--inline").args(lines);
    succeed(command.output()?)
}

fn by_hand(missing: &[&'static str]) -> Result<(), AccountsError> {
    for &name in missing {
        let (program, arguments): (_, &[&str]) = match name {
            GROUP => ("groupadd", &["--system"]),
            _ => (
                "useradd",
                &[
                    "--system",
                    "--no-create-home",
                    "--home-dir",
                    "/",
                    "--shell",
                    "/usr/sbin/nologin",
                    "--gid",
                    GROUP,
                ],
            ),
        };
        let output = Command::new(program).args(arguments).arg(name).output();
        output.and_then(succeed).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => AccountsError::NoMeans,
            _ => refused(program, &error),
        })?;
    }
    Ok(())
}

fn succeed(output: Output) -> io::Result<()> {
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}

fn refused(program: &'static str, error: &io::Error) -> AccountsError {
    AccountsError::Refused {
        program,
        message: error.to_string(),
    }
}
