//! `home.json`: whether Lockgate has served from a home, and with which files.
//!
//! What a first start makes, it makes only where nothing has served yet. In a home that has served, a configuration, an
//! accounts file or images that are named and not there are a mistake: made anew, they would let everybody in, lock
//! everybody out, or serve nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use lockgate_config::{Config, Home};
use lockgate_files::{Existing, WriteError, write_private};
use lockgate_registry::Layout;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

/// What a home served with last. Paths below the home are kept relative to it: a home may be moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServedRecord {
    /// False from set-up until serving first succeeds.
    served: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accounts: Option<PathBuf>,
    /// `storage.filesystem.rootdirectory`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rootdirectory: Option<PathBuf>,
}

/// Whether anything has served from a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum History {
    /// Nothing has served from it yet.
    New,
    /// It has served, with these files as far as they are known.
    Served(ServedRecord),
}

impl History {
    /// Reads the record of `home`. One that cannot be read still shows that something has served.
    pub(crate) fn of(home: &Home) -> Self {
        match fs::read(home.record_file()) {
            Ok(text) => match serde_json::from_slice::<ServedRecord>(&text) {
                Ok(record) if !record.served => Self::New,
                Ok(record) => Self::Served(record.below(home)),
                Err(_) => Self::Served(ServedRecord::default()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && !served_without_record(home) => Self::New,
            Err(_) => Self::Served(ServedRecord::default()),
        }
    }

    /// Counts a running instance as one that has served, for the process that takes its place.
    #[must_use]
    pub(crate) fn of_running(self) -> Self {
        match self {
            Self::New => Self::Served(ServedRecord::default()),
            served @ Self::Served(_) => served,
        }
    }

    pub(crate) fn served(&self) -> Option<&ServedRecord> {
        match self {
            Self::New => None,
            Self::Served(record) => Some(record),
        }
    }
}

/// Versions that kept no record left these. `cert new` makes an authority and perhaps a leaf, but no configuration.
fn served_without_record(home: &Home) -> bool {
    home.token_key().exists() || (home.leaf_certificate().exists() && home.config_file().exists())
}

impl ServedRecord {
    /// What `config`, read from `path`, serves with.
    pub(crate) fn new(config: &Config, path: &Path) -> Self {
        Self {
            served: true,
            config: Some(path.to_owned()),
            accounts: config.auth.htpasswd.as_ref().map(|htpasswd| htpasswd.path.clone()),
            rootdirectory: Some(config.storage.root.clone()),
        }
    }

    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    pub(super) fn accounts(&self) -> Option<&Path> {
        self.accounts.as_deref()
    }

    pub(super) fn root(&self) -> Option<&Path> {
        self.rootdirectory.as_deref()
    }

    /// What differs between this record and `now`, a line each, since the difference may be a mistake.
    pub(super) fn changes(&self, now: &Self) -> Vec<String> {
        let pairs = [
            ("configuration file", &self.config, &now.config),
            ("accounts file", &self.accounts, &now.accounts),
            (
                "storage.filesystem.rootdirectory",
                &self.rootdirectory,
                &now.rootdirectory,
            ),
        ];
        let changed = pairs.into_iter().filter_map(|(what, before, now)| {
            let (before, now) = (before.as_ref()?, now.as_ref()?);
            (before != now).then(|| {
                format!(
                    "{what}: {}; this home served with {} before",
                    now.display(),
                    before.display()
                )
            })
        });
        changed.collect()
    }

    /// Writes the record, unless the file holds it already.
    pub(crate) fn keep(&self, home: &Home) -> Result<(), WriteError> {
        let path = home.record_file();
        let text = self.relative_to(home).text();
        if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            return Ok(());
        }
        match write_private(&path, &text, Existing::Overwrite) {
            // Root without its capabilities, in a directory that is another user's.
            Err(WriteError::Io { .. }) if path.exists() => {
                overwrite(&path, &text).map_err(|source| WriteError::Io { path, source })
            }
            written => written,
        }
    }

    fn text(&self) -> String {
        // Paths that are not UTF-8 alone cannot be written: then it says that there is a record.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn each_path(mut self, change: impl Fn(&Path) -> PathBuf) -> Self {
        for path in [&mut self.config, &mut self.accounts, &mut self.rootdirectory]
            .into_iter()
            .flatten()
        {
            *path = change(path);
        }
        self
    }

    fn below(self, home: &Home) -> Self {
        self.each_path(|path| home.root().join(path))
    }

    fn relative_to(&self, home: &Home) -> Self {
        let relative = |path: &Path| {
            path.strip_prefix(home.root())
                .map_or_else(|_| path.to_owned(), Path::to_owned)
        };
        self.clone().each_path(relative)
    }
}

/// Makes the record if there is none: what is made from now on is no sign that something has served.
pub(crate) fn begin(home: &Home) -> Result<(), WriteError> {
    let record = ServedRecord {
        served: History::of(home).served().is_some(),
        ..ServedRecord::default()
    };
    match write_private(&home.record_file(), record.text(), Existing::Keep) {
        Err(WriteError::Exists { .. }) => Ok(()),
        written => written,
    }
}

/// Writes in place, for root without its capabilities, which cannot replace a file in another user's directory. A link,
/// a file with a second name and a file of somebody else are refused.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() > 1 || found.uid() != geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whether a registry has been in `root`. What cannot be looked at may hold one.
pub(super) fn holds_images(root: &Path) -> bool {
    let layout = Layout::new(root);
    let version = layout.blobs().parent().unwrap_or(root);
    version.try_exists().unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().join("home"));
        fs::create_dir(home.root()).unwrap();
        (directory, home)
    }

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn what_earlier_versions_left_tells_that_they_served() {
        let is_new = |files: &[fn(&Home) -> PathBuf]| {
            let (_directory, home) = home();
            files.iter().for_each(|file| touch(&file(&home)));
            History::of(&home) == History::New
        };
        assert!(is_new(&[]));
        assert!(is_new(&[Home::config_file, Home::htpasswd, Home::password_file]));
        assert!(is_new(&[
            Home::ca_key,
            Home::ca_certificate,
            Home::leaf_certificate,
            Home::leaf_key
        ]));
        assert!(is_new(&[|home| Layout::new(&home.data()).blobs().join("x")]));
        assert!(is_new(&[|home| home.data().join("lockgate.lock")]));
        assert!(!is_new(&[Home::token_key]));
        assert!(!is_new(&[Home::leaf_certificate, Home::config_file]));
    }

    #[test]
    fn set_up_alone_is_no_service() {
        let (_directory, home) = home();
        begin(&home).unwrap();
        touch(&home.token_key());
        assert_eq!(History::of(&home), History::New);
        let served = ServedRecord {
            served: true,
            config: Some(home.config_file()),
            accounts: None,
            rootdirectory: Some("/elsewhere".into()),
        };
        served.keep(&home).unwrap();
        begin(&home).unwrap();
        assert_eq!(History::of(&home), History::Served(served));
    }

    #[test]
    fn a_home_that_was_moved_names_its_own_files() {
        let (directory, home) = home();
        let record = |home: &Home| ServedRecord {
            served: true,
            config: Some(home.config_file()),
            accounts: Some(home.htpasswd()),
            rootdirectory: Some("/srv/images".into()),
        };
        record(&home).keep(&home).unwrap();
        let moved = Home::new(directory.path().join("moved"));
        fs::rename(home.root(), moved.root()).unwrap();
        assert_eq!(History::of(&moved), History::Served(record(&moved)));
    }

    #[test]
    fn a_record_that_makes_no_sense_is_one() {
        for text in ["", "{", "[]", "\0\0"] {
            let (_directory, home) = home();
            fs::write(home.record_file(), text).unwrap();
            assert_eq!(History::of(&home), History::Served(ServedRecord::default()), "{text:?}");
        }
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let (directory, home) = home();
        let victim = directory.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, home.record_file()).unwrap();
        assert!(overwrite(&home.record_file(), "x").is_err());
        fs::remove_file(home.record_file()).unwrap();
        fs::hard_link(&victim, home.record_file()).unwrap();
        assert!(overwrite(&home.record_file(), "x").is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    }
}
