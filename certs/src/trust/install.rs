//! Doing it on this machine, where that means writing files.

use std::io;
use std::path::{Path, PathBuf};

use lockgate_files::{Existing, WriteError, write_public};

use super::client::{Client, Install};
use super::places::{Store, hosts_toml};
use super::target::Target;

/// What an installation leaves to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Files that are in place now, written or as they were.
    pub files: Vec<PathBuf>,
    /// A command that must follow for the files to count, run as root.
    pub then: Option<&'static str>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A client that is elsewhere by its nature.
    #[error("{client}: cannot be installed from here; run `lockgate cert trust {client}` and follow the text")]
    Elsewhere {
        /// The client that is elsewhere.
        client: Client,
    },
    /// A hosts.toml that somebody else wrote.
    #[error(
        "{path}: exists with other contents and is left as it is; add this line to its host section: ca = \"ca.crt\""
    )]
    OwnSettings {
        /// The `hosts.toml` that is there.
        path: PathBuf,
    },
    /// A file that cannot be read to compare.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The file that was to be compared.
        path: PathBuf,
        /// Why the system does not let it be read.
        #[source]
        source: io::Error,
    },
    /// A file that cannot be written; without root this is the usual case.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Makes `client` on this machine trust `target`. `root` is the root of the file system. Doing it twice changes nothing.
pub fn install(client: Client, target: &Target, root: &Path) -> Result<Installed, InstallError> {
    match client.install().ok_or(InstallError::Elsewhere { client })? {
        Install::CertsD(directory) => in_directories(target, &root.join(directory)),
        Install::HostsToml(directory) => for_containerd(target, &root.join(directory)),
        Install::Store(store) => in_store(target, root, store),
    }
}

fn in_directories(target: &Target, directory: &Path) -> Result<Installed, InstallError> {
    let mut files = Vec::new();
    for name in target.directories() {
        let path = directory.join(name).join("ca.crt");
        put(&path, target.certificate_pem())?;
        files.push(path);
    }
    Ok(Installed { files, then: None })
}

fn for_containerd(target: &Target, directory: &Path) -> Result<Installed, InstallError> {
    let hosts = hosts_toml(target);
    let mut installed = in_directories(target, directory)?;
    for name in target.directories() {
        let path = directory.join(name).join("hosts.toml");
        match read(&path)? {
            Some(present) if present == hosts.as_bytes() => {}
            Some(_) => return Err(InstallError::OwnSettings { path }),
            None => write_public(&path, &hosts, Existing::Keep)?,
        }
        installed.files.push(path);
    }
    Ok(installed)
}

fn in_store(target: &Target, root: &Path, store: &Store) -> Result<Installed, InstallError> {
    let path = root.join(store.directory).join(target.store_name());
    put(&path, target.certificate_pem())?;
    Ok(Installed {
        files: vec![path],
        then: Some(store.command),
    })
}

/// Writes unless the file is there with these contents.
fn put(path: &Path, contents: &str) -> Result<(), InstallError> {
    if read(path)?.is_some_and(|present| present == contents.as_bytes()) {
        return Ok(());
    }
    Ok(write_public(path, contents, Existing::Overwrite)?)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, InstallError> {
    match std::fs::read(path) {
        Ok(contents) => Ok(Some(contents)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InstallError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
