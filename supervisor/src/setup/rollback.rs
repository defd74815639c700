//! Removes what a first start has made, when the start fails.

use std::fs;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use lockgate_config::{Config, Home};
use lockgate_registry::Layout;
use nix::unistd::geteuid;

/// Paths that were missing before the start. They are removed on drop, but only once armed: without the home's lock,
/// another process may have made them.
#[derive(Debug, Default)]
pub(crate) struct Rollback {
    files: Vec<PathBuf>,
    /// Removed only while they are empty.
    directories: Vec<PathBuf>,
    /// Removed with everything below: nobody but Lockgate writes there.
    own: Vec<PathBuf>,
    is_armed: bool,
}

impl Rollback {
    /// Notes which files and directories of `home` are missing.
    pub(crate) fn of(home: &Home) -> Self {
        let mut rollback = Self::default();
        for own in [home.run(), home.log(), home.leaf_key().with_file_name("handed")] {
            rollback.directory(own.parent().unwrap_or(&own));
            if !own.exists() {
                rollback.own.push(own);
            }
        }
        for file in [
            home.record_file(),
            home.config_file(),
            home.password_file(),
            home.ca_key(),
            home.ca_certificate(),
            home.leaf_certificate(),
            home.leaf_key(),
        ] {
            rollback.file(file);
        }
        rollback
    }

    /// Notes which files that `config` names are missing.
    pub(crate) fn watch(&mut self, config: &Config) {
        let accounts = config.auth.htpasswd.iter().flat_map(|htpasswd| {
            let mut lock = htpasswd.path.clone().into_os_string();
            lock.push(".lock");
            [htpasswd.path.clone(), lock.into()]
        });
        let keys = config.auth.issuer.iter().map(|issuer| issuer.key.clone());
        let lock = config.storage.root.join("lockgate.lock");
        accounts.chain(keys).chain([lock]).for_each(|file| self.file(file));
        let layout = Layout::new(&config.storage.root);
        for name in ["blobs", "repositories", "staging"] {
            self.directory(&layout.blobs().with_file_name(name));
        }
    }

    /// From now on this process holds the home's lock, so whatever is new was made by it and its children.
    pub(crate) fn arm(&mut self) {
        self.is_armed = true;
    }

    /// Removes the directories that were made and are empty: safe whoever else is in the home.
    pub(crate) fn remove_empty_directories(&mut self) {
        self.directories.extend(self.own.iter().cloned());
        self.directories
            .sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        for directory in &self.directories {
            // Best effort: what cannot be removed is in nobody's way.
            let _ = fs::remove_dir(directory);
        }
    }

    /// The start has succeeded: nothing is removed.
    pub(crate) fn disarm(&mut self) {
        self.is_armed = false;
    }

    fn file(&mut self, path: PathBuf) {
        self.directory(path.parent().unwrap_or(Path::new("/")));
        if path.symlink_metadata().is_err() {
            self.files.push(path);
        }
    }

    /// Notes which directories are missing, from `path` upwards.
    fn directory(&mut self, path: &Path) {
        let missing = path.ancestors().take_while(|path| path.symlink_metadata().is_err());
        self.directories.extend(missing.map(Path::to_owned));
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        if !self.is_armed {
            return;
        }
        let made = self
            .own
            .iter()
            .chain(&self.files)
            .any(|path| path.symlink_metadata().is_ok());
        // All of it is best effort: what cannot be removed is in nobody's way.
        for directory in &self.directories {
            // The registry's, by then: without its capabilities, root removes what is below its own directories alone.
            let _ = lchown(directory, Some(geteuid().as_raw()), None);
        }
        for own in &self.own {
            let _ = fs::remove_dir_all(own);
        }
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        self.directories.sort();
        self.directories.dedup();
        self.remove_empty_directories();
        if made {
            tracing::info!("the start failed: what it had made was removed again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path) -> Config {
        let text =
            "{version: 0.1, storage: {filesystem: {rootdirectory: far/data}}, auth: {htpasswd: {path: who/accounts}}}";
        Config::parse(&directory.join("config.yml"), text.as_bytes(), &[]).unwrap()
    }

    fn make(rollback: &mut Rollback, directory: &Path, home: &Home) {
        rollback.watch(&config(directory));
        for file in [
            home.config_file(),
            home.run().join("a.sock"),
            directory.join("who/accounts"),
        ] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        fs::create_dir_all(Layout::new(&directory.join("far/data")).blobs()).unwrap();
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_made_goes_and_what_was_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let home = Home::new(directory.join("a/home"));
        let mut rollback = Rollback::of(&home);
        rollback.arm();
        make(&mut rollback, directory, &home);
        drop(rollback);
        assert_eq!(names(directory), [""; 0]);

        fs::create_dir_all(home.root()).unwrap();
        fs::write(home.config_file(), "mine").unwrap();
        let mut rollback = Rollback::of(&home);
        rollback.arm();
        make(&mut rollback, directory, &home);
        // What somebody put there meanwhile is not known, so its directory stays.
        fs::write(directory.join("far/theirs"), "").unwrap();
        drop(rollback);
        assert_eq!(names(directory), ["a", "far"]);
        assert_eq!(names(home.root()), ["config.yml"]);
    }

    #[test]
    fn nothing_goes_unless_this_process_is_alone_or_when_all_is_well() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().join("home"));
        let mut rollback = Rollback::of(&home);
        make(&mut rollback, directory.path(), &home);
        drop(rollback);
        assert_eq!(names(directory.path()), ["far", "home", "who"]);
        fs::remove_dir_all(home.root()).unwrap();
        let mut rollback = Rollback::of(&home);
        rollback.arm();
        make(&mut rollback, directory.path(), &home);
        rollback.disarm();
        drop(rollback);
        assert_eq!(names(directory.path()), ["far", "home", "who"]);
    }
}
