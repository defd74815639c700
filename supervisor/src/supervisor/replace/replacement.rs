//! New processes that are to take the place of those that serve, and the names of their registry's socket meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lockgate_config::{Address, Config, Home};

use crate::configuration::listeners::Listeners;
use crate::configuration::source::ConfigSource;
use crate::os::listen::{ListeningSocket, SocketError, listen_unix, remove_stale};
use crate::os::listen_fds::REGISTRY_NAME;
use crate::role::Pair;
use crate::supervisor::child_process::{ChildSpec, pair_of};
use crate::supervisor::generation::Generation;
use crate::supervisor::restart_policy::RestartTracker;

/// What new processes are started for; it decides where a failure is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplacementReason {
    /// A configuration that running processes cannot take up.
    Reload,
    /// Another binary has taken over.
    Upgrade,
    /// Somebody removed the registry's socket.
    LostSocket,
}

/// What new processes are started with, and where the next configuration will come from.
#[derive(Debug)]
pub(crate) struct ReplacementSpec {
    pub(crate) source: ConfigSource,
    pub(crate) config: Config,
    pub(crate) child_spec: ChildSpec,
}

/// A generation that is to take over, and what is in force with it.
#[derive(Debug)]
pub(crate) struct Replacement {
    pub(crate) generation: Generation,
    pub(crate) source: ConfigSource,
    pub(crate) config: Config,
    pub(crate) reason: ReplacementReason,
    /// Whether its registry's socket has its public name.
    is_published: bool,
}

impl Replacement {
    /// The one after generation `number`, to be started on `listeners`. The registry starts first.
    pub(crate) fn new(
        home: &Home,
        number: u32,
        spec: ReplacementSpec,
        listeners: Listeners,
        reason: ReplacementReason,
    ) -> Result<Self, SocketError> {
        let now = Instant::now();
        let socket = registry_socket(home, &staged_path(home))?;
        let trackers = Pair {
            proxy: RestartTracker::held(now),
            registry: RestartTracker::new(now),
        };
        Ok(Self {
            generation: Generation::new(number + 1, spec.child_spec, pair_of(listeners, socket, trackers)),
            source: spec.source,
            config: spec.config,
            reason,
            is_published: false,
        })
    }

    /// Once the registry is ready its socket gets the public name, and the proxy is started, which connects there.
    pub(super) fn publish_if_ready(&mut self, home: &Home, now: Instant) -> io::Result<()> {
        let Pair { proxy, registry } = &mut self.generation.children;
        if registry.tracker.is_ready() && !self.is_published {
            publish(home)?;
            self.is_published = true;
            proxy.tracker.release(now);
        }
        Ok(())
    }

    /// The public name leads to the present registry again.
    pub(super) fn unpublish(&self, home: &Home) -> io::Result<()> {
        let restored = match self.is_published {
            true => std::fs::rename(backup_path(home), home.registry_socket()),
            false => Ok(()),
        };
        // Best effort: the next replacement removes it anyway.
        let _ = std::fs::remove_file(staged_path(home));
        restored
    }
}

/// The registry's listening socket, bound to `path`; `status` shows its public name.
pub(crate) fn registry_socket(home: &Home, path: &Path) -> Result<ListeningSocket, SocketError> {
    let address = Address::Unix(home.registry_socket());
    Ok(ListeningSocket {
        name: REGISTRY_NAME.to_owned(),
        asked: address.clone(),
        address,
        descriptor: listen_unix(path)?.into(),
    })
}

/// The replaced registry's socket is not needed any more.
pub(super) fn forget_backup(home: &Home) {
    // Best effort: the next replacement replaces it anyway.
    let _ = std::fs::remove_file(backup_path(home));
}

/// Where the next registry listens until it is ready.
fn staged_path(home: &Home) -> PathBuf {
    home.run().join("next.sock")
}

/// Where the present registry's socket is kept until the next pair has taken over.
fn backup_path(home: &Home) -> PathBuf {
    home.run().join("last.sock")
}

/// From now on the public name leads to the new registry; the old socket keeps a name as well, to go back to.
fn publish(home: &Home) -> io::Result<()> {
    let (public, kept) = (home.registry_socket(), backup_path(home));
    remove_stale(&kept)?;
    match std::fs::hard_link(&public, &kept) {
        // Somebody removed it: then there is nothing to go back to.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::rename(staged_path(home), public)
}
