//! Certificates of the user's own, whose keys root alone may read: the supervisor hands the proxy a private copy of
//! each pair, and keeps it fresh. So the key stays where it is, with the mode that it has, and the proxy needs neither a
//! right on its directory nor a group.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockgate_certs::files::{Existing, Owner, WriteError, write_private_for};
use lockgate_certs::load::certified_key;
use lockgate_certs::{LoadError, Pair, Stamp};
use lockgate_config::{CertificateSource, Config, Home};
use nix::unistd::geteuid;

use crate::confine::users::{Account, Users};
use crate::setup::ownership::ENTERED;
use crate::setup::tree::change;

/// Tells a child in which directory the copies are.
pub(crate) const VARIABLE: &str = "LOCKGATE_HANDED";
/// How often to look whether a source has changed, like the proxy itself.
const INTERVAL: Duration = Duration::from_secs(1);

/// A pair that cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandError {
    /// The user's file.
    #[error("{key} = {}: {source}", .path.display())]
    Unreadable {
        key: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The user's files, which are no pair; told by their own names, not by those of the copies.
    #[error("{key}: {source}")]
    Unusable { key: &'static str, source: LoadError },
    /// The copy.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The copies.
#[derive(Debug)]
pub(crate) struct Handed {
    directory: PathBuf,
    owner: Owner,
    pairs: Vec<Copied>,
    next: Instant,
}

#[derive(Debug)]
struct Copied {
    key: &'static str,
    from: Pair,
    to: Pair,
    /// What the files were when they were copied, or could not be.
    seen: [Option<Stamp>; 2],
}

impl Handed {
    /// Copies every pair that `config` names into `directory`, for `owner` alone.
    pub(crate) fn over(config: &Config, directory: &Path, owner: Owner) -> Result<Self, HandError> {
        let mut config = config.clone();
        let mut pairs = Vec::new();
        for (key, name, certificate, private) in pairs_of(&mut config) {
            let copied = Copied {
                key,
                to: copy_of(directory, &name),
                from: Pair {
                    certificate: certificate.clone(),
                    key: private.clone(),
                },
                seen: [None, None],
            };
            pairs.push(copied);
        }
        let mut handed = Self {
            directory: directory.to_owned(),
            owner,
            pairs,
            next: Instant::now() + INTERVAL,
        };
        if !handed.pairs.is_empty() {
            make_directories(directory, owner.group)?;
        }
        for pair in &mut handed.pairs {
            pair.copy(owner)?;
            let Pair { certificate, key } = &pair.from;
            certified_key(certificate, key).map_err(|source| HandError::Unusable { key: pair.key, source })?;
        }
        Ok(handed)
    }

    /// For a proxy that runs as another user, or as root without root's right to read everything; below `home`, in a
    /// directory that root alone writes.
    pub(crate) fn over_to(users: Option<&Users>, config: &Config, home: &Home) -> Result<Option<Self>, HandError> {
        let Some(users) = users else { return Ok(None) };
        let directory = home.leaf_key().with_file_name("handed");
        Self::over(config, &directory, users.proxy.owner()).map(Some)
    }

    /// Goes on with another configuration, or with the old one when a pair of the new one cannot be read.
    pub(crate) fn follow(&mut self, config: &Config) -> Result<(), HandError> {
        *self = Self::over(config, &self.directory, self.owner)?;
        Ok(())
    }

    /// What children are told.
    pub(crate) fn variable(&self) -> (String, String) {
        (VARIABLE.to_owned(), self.directory.display().to_string())
    }

    /// When to look next; never without a pair.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.pairs.is_empty()).then_some(self.next)
    }

    /// Copies anew what has changed. A source that cannot be read leaves the copy as it is.
    pub(crate) fn refresh(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        for pair in &mut self.pairs {
            let found = pair.stamps();
            if found == pair.seen {
                continue;
            }
            match pair.copy(self.owner) {
                Ok(()) => tracing::info!(certificate = %pair.from.certificate.display(), "copied for the proxy"),
                Err(error) => {
                    tracing::error!("the old certificate goes on: {error}");
                    // Said once for each state of the files.
                    pair.seen = found;
                }
            }
        }
    }
}

impl Copied {
    fn stamps(&self) -> [Option<Stamp>; 2] {
        [Stamp::of(&self.from.certificate), Stamp::of(&self.from.key)]
    }

    fn copy(&mut self, owner: Owner) -> Result<(), HandError> {
        let found = self.stamps();
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| HandError::Unreadable {
                key: self.key,
                path: path.to_owned(),
                source,
            })
        };
        let (certificate, key) = (read(&self.from.certificate)?, read(&self.from.key)?);
        // Between the two writes the pair does not fit: the proxy keeps the old one until it does.
        write_private_for(owner, &self.to.key, key, Existing::Overwrite)?;
        write_private_for(owner, &self.to.certificate, certificate, Existing::Overwrite)?;
        self.seen = found;
        Ok(())
    }
}

/// A directory, and the one that it is in: the group enters both, and the present user alone writes.
pub(crate) fn make_directories(directory: &Path, group: u32) -> Result<(), WriteError> {
    let present = Account {
        name: "present".to_owned(),
        user: geteuid().as_raw(),
        group,
    };
    let above = directory.parent().filter(|above| !above.exists());
    for directory in above.into_iter().chain([directory]) {
        let made = match std::fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => change(directory, &present, ENTERED),
        };
        made.map_err(|source| WriteError::Io {
            path: directory.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// `config` as the children see it.
pub(crate) fn localized(config: &Config, handed: Option<&Handed>) -> Config {
    let mut config = config.clone();
    if let Some(handed) = handed {
        use_copies(&mut config, &handed.directory);
    }
    config
}

/// Makes `config` name the copies in `directory` instead of the user's files.
pub(crate) fn use_copies(config: &mut Config, directory: &Path) {
    for (_, name, certificate, key) in pairs_of(config) {
        let copy = copy_of(directory, &name);
        (*certificate, *key) = (copy.certificate, copy.key);
    }
}

/// Every pair of the user's own: the key path that names it, a name for its copy, its files.
fn pairs_of(config: &mut Config) -> Vec<(&'static str, String, &mut PathBuf, &mut PathBuf)> {
    let mut pairs = Vec::new();
    let tls = config.http.tls.as_mut().map(|tls| &mut tls.certificate);
    if let Some(CertificateSource::Files { certificate, key }) = tls {
        pairs.push(("http.tls.certificate", "default".to_owned(), certificate, key));
    }
    for alias in &mut config.http.aliases {
        // A host name, or `*.` and one: good as a file's name, and no other alias has it.
        let name = format!("alias-{}", alias.name);
        pairs.push(("http.aliases", name, &mut alias.certificate, &mut alias.key));
    }
    pairs
}

fn copy_of(directory: &Path, name: &str) -> Pair {
    Pair {
        certificate: directory.join(format!("{name}.crt")),
        key: directory.join(format!("{name}.key")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use lockgate_certs::leaf::{LeafRequest, self_signed};

    use super::*;

    const CONFIG: &str = "version: 0.1\nstorage: filesystem\nhttp: {tls: {certificate: a.crt, key: a.key}, \
        aliases: [{name: '*.example.net', certificate: b.crt, key: b.key}]}";

    fn config(directory: &Path) -> Config {
        Config::parse(&directory.join("config.yml"), CONFIG.as_bytes(), &[]).unwrap()
    }

    fn owner(directory: &Path) -> Owner {
        let found = directory.metadata().unwrap();
        Owner {
            user: found.uid(),
            group: found.gid(),
        }
    }

    /// Another key each time.
    fn write_pair(directory: &Path, name: &str) {
        let issued = self_signed(&LeafRequest::for_hosts(&["a.example".to_owned()]).unwrap()).unwrap();
        let pair = copy_of(directory, name);
        issued.write(&pair, Existing::Overwrite, None).unwrap();
    }

    #[test]
    fn copies_are_private_named_by_the_configuration_and_follow_their_sources() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        write_pair(directory.path(), "a");
        write_pair(directory.path(), "b");
        let mut config = config(directory.path());
        let mut handed = Handed::over(&config, &at("handed"), owner(directory.path())).unwrap();
        use_copies(&mut config, &at("handed"));
        let alias = &config.http.aliases[0];
        assert_eq!(alias.key, at("handed/alias-*.example.net.key"));
        assert_eq!(read(&alias.key), read(&at("b.key")));
        assert_eq!(alias.key.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        let (old, copy) = (read(&at("a.key")), at("handed/default.key"));
        write_pair(directory.path(), "a");
        handed.refresh(Instant::now());
        assert_eq!(read(&copy), old, "not looked at twice a second");
        handed.refresh(Instant::now() + INTERVAL);
        assert_eq!(read(&copy), read(&at("a.key")));
        let certificate = read(&at("a.crt"));
        std::fs::remove_file(at("a.crt")).unwrap();
        handed.refresh(Instant::now() + 3 * INTERVAL);
        assert_eq!(read(&at("handed/default.crt")), certificate);
    }

    #[test]
    fn a_pair_that_does_not_fit_is_named() {
        let directory = tempfile::tempdir().unwrap();
        write_pair(directory.path(), "a");
        std::fs::write(directory.path().join("b.crt"), "no certificate").unwrap();
        std::fs::write(directory.path().join("b.key"), "no key").unwrap();
        let config = config(directory.path());
        let error = Handed::over(&config, &directory.path().join("handed"), owner(directory.path())).unwrap_err();
        assert!(error.to_string().starts_with("http.aliases: "), "{error}");
    }

    #[test]
    fn a_pair_that_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let error = Handed::over(&config, &directory.path().join("handed"), owner(directory.path())).unwrap_err();
        assert!(error.to_string().starts_with("http.tls.certificate = /"), "{error}");
    }
}
