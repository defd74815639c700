//! Certificates of the user's own, whose keys root alone may read: the supervisor keeps for the proxy a private copy of
//! each pair, and renews it. So the key stays where it is, with the mode that it has, and the proxy needs neither a
//! right on its directory nor a group.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockgate_certs::load::certified_key;
use lockgate_certs::{CertificateFiles, LoadError};
use lockgate_config::{Config, Home};
use lockgate_files::{Existing, Stamp, UidGid, WriteError, write_private_for};

use crate::configuration::copy_paths::{self, copy_of, pairs_of, use_copies};
use crate::failure::Failure;
use crate::os::ownership::make_directories;
use crate::sandbox::system_user::Users;

/// How often to look whether a source has changed, like the proxy itself.
const INTERVAL: Duration = Duration::from_secs(1);

/// A pair that cannot be copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// A file that the user named.
    #[error("{key} = {}: {source}", .path.display())]
    Unreadable {
        key: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The user's files, which are no pair; told by their own names, not by those of the copies.
    #[error("{key}: {source}")]
    Unusable { key: &'static str, source: LoadError },
    #[error(transparent)]
    Write(#[from] WriteError),
}

#[derive(Debug)]
pub(crate) struct CertificateCopies {
    directory: PathBuf,
    owner: UidGid,
    pairs: Vec<CopiedPair>,
    next: Instant,
}

#[derive(Debug)]
struct CopiedPair {
    key: &'static str,
    from: CertificateFiles,
    to: CertificateFiles,
    /// The state of the files when they were copied, or when that failed.
    seen: [Option<Stamp>; 2],
    /// Why the present files were not copied.
    problem: Option<String>,
}

impl CertificateCopies {
    /// Copies every pair that `config` names into `directory`, for `owner` alone; nothing when one of them cannot be used.
    pub(crate) fn over(config: &Config, directory: &Path, owner: UidGid) -> Result<Self, CopyError> {
        let mut copies = Self::there(config, directory, owner);
        let read: Result<Vec<_>, _> = copies.pairs.iter().map(CopiedPair::read).collect();
        let read = read?;
        if !copies.pairs.is_empty() {
            make_directories(directory, owner.gid)?;
        }
        for (pair, read) in copies.pairs.iter_mut().zip(read) {
            pair.write(read, owner)?;
        }
        copies.next = Instant::now() + INTERVAL;
        Ok(copies)
    }

    /// Goes on with copies that are there already. Whether their sources have changed meanwhile is seen soon.
    fn there(config: &Config, directory: &Path, owner: UidGid) -> Self {
        let mut config = config.clone();
        let pairs = pairs_of(&mut config)
            .into_iter()
            .map(|(key, name, certificate, private)| CopiedPair {
                key,
                to: copy_of(directory, &name),
                from: CertificateFiles {
                    certificate: certificate.clone(),
                    key: private.clone(),
                },
                seen: [None, None],
                problem: None,
            })
            .collect();
        Self {
            directory: directory.to_owned(),
            owner,
            pairs,
            next: Instant::now(),
        }
    }

    /// For a proxy that runs as another user, or as root without root's right to read everything; below `home`, in a
    /// directory that root alone writes.
    pub(crate) fn over_to(users: Option<&Users>, config: &Config, home: &Home) -> Result<Option<Self>, CopyError> {
        let Some(users) = users else { return Ok(None) };
        Self::over(config, &directory_in(home), users.proxy.owner()).map(Some)
    }

    /// The same for a proxy that has its copies from the binary before.
    pub(crate) fn left_to(users: Option<&Users>, config: &Config, home: &Home) -> Option<Self> {
        users.map(|users| Self::there(config, &directory_in(home), users.proxy.owner()))
    }

    /// Goes on with another configuration, or with the old one when a pair of the new one cannot be used.
    pub(crate) fn follow(&mut self, config: &Config) -> Result<(), CopyError> {
        *self = Self::over(config, &self.directory, self.owner)?;
        Ok(())
    }

    /// Goes on with the configuration that was in force before.
    pub(crate) fn go_back_to(&mut self, config: &Config) {
        if self.follow(config).is_err() {
            // The error comes again when it is tried again.
            *self = Self::there(config, &self.directory, self.owner);
        }
    }

    /// What is wrong with the sources, while the copies are still good.
    pub(crate) fn problem(&self) -> Option<String> {
        let problems: Vec<_> = self.pairs.iter().filter_map(|pair| pair.problem.clone()).collect();
        (!problems.is_empty()).then(|| problems.join("\n"))
    }

    /// The variable by which children learn where the copies are.
    pub(crate) fn variable(&self) -> (String, String) {
        (copy_paths::VARIABLE.to_owned(), self.directory.display().to_string())
    }

    /// When to look next; never without a pair.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.pairs.is_empty()).then_some(self.next)
    }

    /// Copies anew what has changed. A source that cannot be used leaves the copy as it is.
    pub(crate) fn refresh(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        for pair in &mut self.pairs {
            let found = pair.from.stamps();
            if found == pair.seen {
                continue;
            }
            let copied = pair.read().and_then(|read| pair.write(read, self.owner));
            match &copied {
                Ok(()) => tracing::info!(
                    "certificate {} was copied for the proxy",
                    pair.from.certificate.display()
                ),
                Err(error) => tracing::error!("the old certificate goes on: {error}"),
            }
            pair.problem = copied.err().map(|error| format!("the old one goes on: {error}"));
            // It is logged once for each state of the files.
            pair.seen = found;
        }
    }
}

impl CopiedPair {
    /// What can be copied: a pair that does not fit would stand in the way of a proxy that comes back.
    fn read(&self) -> Result<Read, CopyError> {
        // Before the rest: a change in between is seen as one by the next look.
        let stamps = self.from.stamps();
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| CopyError::Unreadable {
                key: self.key,
                path: path.to_owned(),
                source,
            })
        };
        let CertificateFiles { certificate, key } = &self.from;
        let contents = (read(certificate)?, read(key)?);
        certified_key(certificate, key).map_err(|source| CopyError::Unusable { key: self.key, source })?;
        Ok(Read { stamps, contents })
    }

    fn write(&mut self, read: Read, owner: UidGid) -> Result<(), CopyError> {
        let (certificate, key) = read.contents;
        // Between the two writes the pair does not fit: the proxy keeps the old one until it does.
        write_private_for(Some(owner), &self.to.key, key, Existing::Overwrite)?;
        write_private_for(Some(owner), &self.to.certificate, certificate, Existing::Overwrite)?;
        self.seen = read.stamps;
        Ok(())
    }
}

/// The contents of a pair, and what its files were before they were read.
struct Read {
    stamps: [Option<Stamp>; 2],
    /// The certificate's bytes and the key's.
    contents: (Vec<u8>, Vec<u8>),
}

fn directory_in(home: &Home) -> PathBuf {
    home.leaf_key().with_file_name("handed")
}

/// `config` with the paths of the copies, as the children get it.
pub(crate) fn localized(config: &Config, copies: Option<&CertificateCopies>) -> Config {
    let mut config = config.clone();
    if let Some(copies) = copies {
        use_copies(&mut config, &copies.directory);
    }
    config
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Unreadable { .. } | CopyError::Unusable { .. } => Self::configuration(error),
            CopyError::Write(_) => Self::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use lockgate_certs::leaf::{LeafRequest, self_signed};

    use super::*;

    const CONFIG: &str = "version: 0.1\nstorage: filesystem\nhttp: {tls: {certificate: a.crt, key: a.key}, \
        aliases: [{name: '*.example.net', certificate: b.crt, key: b.key}]}";

    fn config(directory: &Path) -> Config {
        Config::parse(&directory.join("config.yml"), CONFIG.as_bytes(), &[]).unwrap()
    }

    fn owner(directory: &Path) -> UidGid {
        UidGid::of(&directory.metadata().unwrap())
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
        let mut copies = CertificateCopies::over(&config, &at("handed"), owner(directory.path())).unwrap();
        use_copies(&mut config, &at("handed"));
        let alias = &config.http.aliases[0];
        assert_eq!(alias.key, at("handed/alias-*.example.net.key"));
        assert_eq!(read(&alias.key), read(&at("b.key")));
        assert_eq!(alias.key.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        let (old, copy) = (read(&at("a.key")), at("handed/default.key"));
        write_pair(directory.path(), "a");
        copies.refresh(Instant::now());
        assert_eq!(read(&copy), old, "not looked at twice a second");
        copies.refresh(Instant::now() + INTERVAL);
        assert_eq!(read(&copy), read(&at("a.key")));
        let certificate = read(&at("a.crt"));
        assert_eq!(copies.problem(), None);
        std::fs::remove_file(at("a.crt")).unwrap();
        copies.refresh(Instant::now() + 3 * INTERVAL);
        assert_eq!(read(&at("handed/default.crt")), certificate);
        std::fs::copy(at("b.crt"), at("a.crt")).unwrap();
        copies.refresh(Instant::now() + 5 * INTERVAL);
        assert_eq!(
            read(&at("handed/default.crt")),
            certificate,
            "a pair that does not fit is not copied"
        );
        let problem = copies.problem().unwrap();
        assert!(problem.contains(&*at("a.key").to_string_lossy()), "{problem}");
        write_pair(directory.path(), "a");
        copies.refresh(Instant::now() + 7 * INTERVAL);
        assert_eq!((copies.problem(), read(&copy)), (None, read(&at("a.key"))));
    }

    #[test]
    fn a_pair_that_does_not_fit_is_named() {
        let directory = tempfile::tempdir().unwrap();
        write_pair(directory.path(), "a");
        std::fs::write(directory.path().join("b.crt"), "no certificate").unwrap();
        std::fs::write(directory.path().join("b.key"), "no key").unwrap();
        let config = config(directory.path());
        let error =
            CertificateCopies::over(&config, &directory.path().join("handed"), owner(directory.path())).unwrap_err();
        assert!(error.to_string().starts_with("http.aliases: "), "{error}");
        assert!(!directory.path().join("handed").exists(), "all of them or none");
    }

    #[test]
    fn a_pair_that_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let error =
            CertificateCopies::over(&config, &directory.path().join("handed"), owner(directory.path())).unwrap_err();
        assert!(error.to_string().starts_with("http.tls.certificate = /"), "{error}");
    }
}
