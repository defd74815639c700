//! The owners of files below a home that root started: each file belongs to the process that reads it. Directories
//! stay root's, so that neither process can put a link where root will write.

use std::fs;
use std::io::{
    self,
    ErrorKind::{PermissionDenied, ReadOnlyFilesystem, Unsupported},
};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lockgate_config::{Config, ConfigFile, Home, Reader};
use lockgate_files::{Modes, make_directories, set_owner_and_mode};

use super::data_dir::real;
use crate::os::ownership::ENTERED;
use crate::sandbox::path_access::allows;
use crate::sandbox::system_user::{SystemUser, Users};

/// A file whose owner could not be set.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be given to its reader: {source}", .path.display())]
pub(crate) struct OwnershipError {
    path: PathBuf,
    source: io::Error,
}

/// Both processes enter it.
const SHARED: u32 = 0o750;
/// As `SHARED`; new sockets are the group's.
const SOCKETS: u32 = 0o2750;
/// As `SHARED`; whoever makes a file there is the only one to rename or remove it.
const EVERYBODYS_OWN: u32 = 0o1770;
/// The mode of missing directories above one that is made.
const ABOVE: u32 = 0o755;
/// The supervisor alone enters it.
const PRIVATE: u32 = 0o700;

/// Sets owner and mode of each file below `home`, where they differ.
pub(crate) fn apply(config: &Config, home: &Home, users: &Users) -> Result<(), OwnershipError> {
    let root = root(users);
    let of_root = |directory: &Path, mode| assign(directory, &root, mode);
    let home_owner = home.root().metadata().map_or(0, |found| found.uid());
    let of_home = SystemUser {
        user: home_owner,
        ..root.clone()
    };
    assign(&real(home.root()), &of_home, SHARED)?;
    // Best effort: it is kept when serving has begun, and root is nobody in particular by then.
    let _ = set_owner_and_mode(&home.record_file(), root.owner(), 0o600);
    of_root(&home.run(), SOCKETS)?;
    of_root(&home.challenges(), SOCKETS)?;
    of_root(&home.log(), EVERYBODYS_OWN)?;
    if let Some(authority) = home.ca_key().parent() {
        of_root(authority, PRIVATE)?;
    }
    if let Some(tls) = home.leaf_key().parent() {
        of_root(tls, ENTERED)?;
        assign_secrets(tls, &users.proxy)?;
    }
    if let Some(auth) = home.htpasswd().parent() {
        of_root(auth, ENTERED)?;
        assign_secrets(auth, &users.registry)?;
    }
    assign_named(config, home, users)?;
    assign_logs(&home.log(), users)?;
    create_log_directory(config, users)?;
    log_directory(config).map_or(Ok(()), |directory| assign_logs(directory, users))
}

fn log_directory(config: &Config) -> Option<&Path> {
    config.log.file.as_ref()?.directory.as_deref()
}

/// Creates `log.file.directory` where it is missing, for all processes to write to. What is in one that is there stays as it
/// is: a supervisor that serves may not change the modes of its children's files.
pub(crate) fn create_log_directory(config: &Config, users: &Users) -> Result<(), OwnershipError> {
    let Some(directory) = log_directory(config) else {
        return Ok(());
    };
    // One that is there has the mode that somebody gave it.
    let make = || make_directories(directory, EVERYBODYS_OWN, ABOVE, Modes::AsMounted);
    if !directory.exists() && make().is_ok() {
        assign(directory, &root(users), EVERYBODYS_OWN)?;
    }
    Ok(())
}

fn root(users: &Users) -> SystemUser {
    SystemUser {
        name: "root".into(),
        user: 0,
        group: users.proxy.group,
    }
}

/// Sets the owner of a secret that was just made, and of its directory if that is new as well.
pub(crate) fn assign_new(file: &Path, directory: Option<&Path>, reader: &SystemUser) -> Result<(), OwnershipError> {
    if let Some(directory) = directory {
        let entered = SystemUser {
            user: 0,
            ..reader.clone()
        };
        assign(directory, &entered, ENTERED)?;
    }
    assign(file, reader, 0o600)
}

/// Sets owner and mode of one path; a missing one is skipped.
fn assign(directory: &Path, owner: &SystemUser, mode: u32) -> Result<(), OwnershipError> {
    match set_owner_and_mode(directory, owner.owner(), mode) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A filesystem without owners, or a volume that is not ours to change: its reader tells whether that will do.
        Err(error) if matches!(error.kind(), PermissionDenied | Unsupported | ReadOnlyFilesystem) => {
            tracing::warn!(
                "{}: cannot set owner and mode, they stay as they are: {error}",
                directory.display()
            );
            Ok(())
        }
        changed => changed.map_err(|source| OwnershipError {
            path: directory.to_owned(),
            source,
        }),
    }
}

/// Gives files that others cannot read to `reader`; files that everybody may read keep their owner.
fn assign_secrets(directory: &Path, reader: &SystemUser) -> Result<(), OwnershipError> {
    for path in files_of(directory) {
        let secret = path
            .metadata()
            .is_ok_and(|found| found.permissions().mode() & 0o007 == 0);
        if secret {
            assign(&path, reader, 0o600)?;
        }
    }
    Ok(())
}

/// Gives files of the configuration that lie in the home and that root alone can read, as `htpasswd -c` leaves them, to
/// the process that reads them. Certificates are copied instead.
fn assign_named(config: &Config, home: &Home, users: &Users) -> Result<(), OwnershipError> {
    let home = real(home.root());
    for ConfigFile { path, role, .. } in config.files() {
        let reader = match role.reader() {
            Reader::Proxy => &users.proxy,
            Reader::Registry => &users.registry,
            Reader::Supervisor => continue,
        };
        let path = real(path);
        let is_closed = path
            .metadata()
            .is_ok_and(|found| found.is_file() && !allows(&found, reader, 0o4));
        if is_closed && !role.is_copied() && path.starts_with(&home) {
            assign(&path, reader, 0o600)?;
        }
    }
    Ok(())
}

/// Gives log files to the process that continues them, whichever user wrote them before.
fn assign_logs(directory: &Path, users: &Users) -> Result<(), OwnershipError> {
    for path in files_of(directory) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (process, account) in [("proxy", &users.proxy), ("registry", &users.registry)] {
            if name.starts_with(process) && name.ends_with(".log") {
                assign(&path, account, 0o640)?;
            }
        }
    }
    Ok(())
}

/// The regular files of a directory; none when it is missing.
fn files_of(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .collect()
}
