//! Which paths each process opens. Rules name directories: Landlock knows inodes, and a file that was replaced is a new one.

use std::path::{Path, PathBuf};

use lockgate_config::{Config, ConfigFile, Home, Reader};
use lockgate_files::{FileId, directory_of};
use lockgate_registry::Layout;

use crate::logging::DEV_LOG;
use crate::role::{Pair, Role};

/// The paths that a process may open. While they stay equal, a reload needs no new process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(super) role: Role,
    grants: Vec<Grant>,
}

/// What may be done below one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) path: PathBuf,
    pub(super) access: Access,
    /// Device and inode: a directory that was exchanged as a whole needs a process that has been told of the new one.
    identity: Option<FileId>,
}

/// A way to use what is below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// List and read.
    Read,
    /// List, read, make, write and remove files and directories, and rename them from one directory to another.
    Store,
    /// Make, append to, rename and remove files.
    Log,
    /// Connect to Unix sockets.
    Connect,
    /// Bind Unix sockets, and connect to them.
    Listen,
    /// Read from and write to a device.
    Device,
}

/// What libraries open: the number of processors that a container may use, whether memory may be given back, randomness.
const OF_SYSTEM: [(&str, Access); 7] = [
    ("/proc/self", Access::Read),
    ("/sys/fs/cgroup", Access::Read),
    ("/sys/devices/system/cpu", Access::Read),
    ("/proc/sys/vm/overcommit_memory", Access::Read),
    ("/dev/null", Access::Device),
    ("/dev/urandom", Access::Read),
    // Where the C library is linked in, random bytes come from the devices: this one tells when the other is seeded.
    ("/dev/random", Access::Read),
];

impl Rules {
    /// The rules of `role` with this configuration.
    pub(crate) fn of(role: Role, config: &Config, home: &Home) -> Self {
        let mut rules = Self {
            role,
            grants: Vec::new(),
        };
        match role {
            Role::Proxy => rules.add_proxy(config, home),
            Role::Registry => rules.add_registry(config),
        }
        rules.add_log(config, home);
        // registry.sock, and notify.sock.
        rules.add(home.run(), Access::Connect);
        for (path, access) in OF_SYSTEM {
            rules.add(path, access);
        }
        rules
    }

    pub(crate) fn of_both(config: &Config, home: &Home) -> Pair<Self> {
        Pair {
            proxy: Self::of(Role::Proxy, config, home),
            registry: Self::of(Role::Registry, config, home),
        }
    }

    fn add_proxy(&mut self, config: &Config, home: &Home) {
        self.add(Layout::new(&config.storage.root).blobs(), Access::Read);
        self.add(directory_of(&home.leaf_key()), Access::Read);
        self.add(home.challenges(), Access::Read);
        self.add_named(config, Reader::Proxy);
    }

    fn add_registry(&mut self, config: &Config) {
        self.add(&config.storage.root, Access::Store);
        self.add_named(config, Reader::Registry);
    }

    /// Adds the files that `config` names for `role`.
    fn add_named(&mut self, config: &Config, reader: Reader) {
        for ConfigFile { path, role, .. } in config.files() {
            match role.reader() == reader {
                true if role.is_directory() => self.add(path, Access::Read),
                true => self.add_file(path),
                false => {}
            }
        }
    }

    fn add_log(&mut self, config: &Config, home: &Home) {
        if let Some(file) = &config.log.file {
            self.add(file.directory.clone().unwrap_or_else(|| home.log()), Access::Log);
        }
        if config.log.system.is_some() {
            self.add_socket(Path::new(DEV_LOG));
        }
    }

    /// The directory of `file`, and that of the file which a link leads to.
    fn add_file(&mut self, file: &Path) {
        self.add(directory_of(file), Access::Read);
        if let Ok(real) = file.canonicalize() {
            self.add(directory_of(&real), Access::Read);
        }
    }

    /// Adds `file`, which is read again when it changes.
    #[must_use]
    pub(crate) fn with_file(mut self, file: &Path) -> Self {
        self.add_file(file);
        self
    }

    /// Adds a socket to connect to.
    #[must_use]
    pub(crate) fn with_socket(mut self, socket: &Path) -> Self {
        self.add_socket(socket);
        self
    }

    /// Adds a socket that is bound again when somebody removes it.
    #[must_use]
    pub(crate) fn with_listening(mut self, socket: &Path) -> Self {
        self.add(directory_of(socket), Access::Listen);
        self
    }

    /// The directory of a socket: a daemon that comes back binds it anew.
    pub(super) fn add_socket(&mut self, socket: &Path) {
        let real = socket.canonicalize();
        self.add(directory_of(real.as_deref().unwrap_or(socket)), Access::Connect);
    }

    fn add(&mut self, path: impl Into<PathBuf>, access: Access) {
        let path = path.into();
        if self
            .grants
            .iter()
            .any(|grant| grant.path == path && grant.access == access)
        {
            return;
        }
        // What belongs to one process is another thing in each.
        let found = if path.starts_with("/proc") {
            None
        } else {
            path.metadata().ok()
        };
        let identity = found.as_ref().map(FileId::of);
        self.grants.push(Grant { path, access, identity });
    }

    pub(super) fn grants(&self) -> &[Grant] {
        &self.grants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str, directory: &Path) -> Config {
        let text = format!("version: 0.1\nstorage: {{filesystem: {{rootdirectory: data}}}}\n{text}");
        Config::parse(&directory.join("config.yml"), text.as_bytes(), &[]).unwrap()
    }

    fn may(rules: &Rules, path: &Path, access: Access) -> bool {
        rules
            .grants
            .iter()
            .any(|grant| grant.access == access && path.starts_with(&grant.path))
    }

    #[test]
    fn each_half_is_given_what_is_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        let home = Home::new(directory.path());
        let config = config(
            "http: {addr: ':0', docroot: www, tls: {auto: true}, aliases: [{name: a.example, certificate: my/a.crt, key: my/a.key}]}\n\
             auth: {htpasswd: {realm: r, path: auth/htpasswd}}\nlog: {file: {}}",
            directory.path(),
        );
        let (proxy, registry) = (
            Rules::of(Role::Proxy, &config, &home),
            Rules::of(Role::Registry, &config, &home),
        );
        for path in [
            "tls/registry.key",
            "my/a.key",
            "www/index.html",
            "data/docker/registry/v2/blobs/x",
        ] {
            assert!(may(&proxy, &at(path), Access::Read), "{path}");
            assert!(!may(&registry, &at(path), Access::Read), "{path}");
        }
        for path in ["ca/ca.key", "config.yml", "password"] {
            assert!(
                !may(&proxy, &at(path), Access::Read) && !may(&registry, &at(path), Access::Read),
                "{path}"
            );
        }
        assert!(may(&registry, &at("auth/htpasswd"), Access::Read) && !may(&proxy, &at("auth/htpasswd"), Access::Read));
        assert!(may(&registry, &at("data/x"), Access::Store) && !may(&proxy, &at("data/x"), Access::Store));
        assert!(may(&registry, &at("log/x"), Access::Log) && may(&proxy, &at("log/x"), Access::Log));
        assert!(!may(&proxy, &at("data/docker/registry/v2/repositories"), Access::Read));
    }

    #[test]
    fn they_change_with_the_configuration_and_with_an_exchanged_directory() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path());
        let docroot = directory.path().join("www");
        std::fs::create_dir(&docroot).unwrap();
        let with = |text: &str| Rules::of(Role::Proxy, &config(text, directory.path()), &home);
        let before = with("http: {addr: ':0', docroot: www}");
        assert_eq!(before, with("http: {addr: ':1', docroot: www}\nlog: {level: debug}"));
        assert_ne!(before, with("http: {addr: ':0', docroot: other}"));
        std::fs::rename(&docroot, directory.path().join("old")).unwrap();
        std::fs::create_dir(&docroot).unwrap();
        assert_ne!(before, with("http: {addr: ':0', docroot: www}"));
    }

    #[test]
    fn a_link_is_followed_to_the_directory_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("archive");
        std::fs::create_dir(&archive).unwrap();
        std::fs::create_dir(directory.path().join("live")).unwrap();
        std::fs::write(archive.join("key1.pem"), "").unwrap();
        std::os::unix::fs::symlink("../archive/key1.pem", directory.path().join("live/key.pem")).unwrap();
        let config = config(
            "http: {addr: ':0', tls: {certificate: live/cert.pem, key: live/key.pem}}",
            directory.path(),
        );
        let rules = Rules::of(Role::Proxy, &config, &Home::new(directory.path().join("home")));
        assert!(may(&rules, &archive.canonicalize().unwrap(), Access::Read));
    }
}
