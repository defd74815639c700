//! New processes take the place of old ones, and nobody notices: what an upgrade does, and a reload that needs it.
//!
//! ```text
//! start the new registry on a socket of its own ─▶ ready: give that socket its public name
//!   ─▶ start the new proxy beside the old one, on the same listening sockets ─▶ ready: the old proxy accepts no more
//!   ─▶ it finished its requests: the old registry ends
//! ```
//!
//! In this order no request meets a registry that is about to end: each proxy talks to the registry that was there when
//! it connected. New processes that do not become ready are killed, and the old ones go on.

use std::path::PathBuf;
use std::time::Instant;

use lockgate_config::{Config, Home};
use nix::sys::signal::Signal;

use crate::configuration::public_url::PublicUrl;
use crate::configuration::source::ConfigSource;
use crate::os::listen::{ListeningSocket, SocketError, listen_unix, remove_stale};
use crate::os::listen_fds::REGISTRY_NAME;
use crate::supervisor::Supervisor;
use crate::supervisor::child_process::{ChildSpec, pair_of};
use crate::supervisor::generation::Generation;
use crate::supervisor::restart_policy::RestartTracker;

/// What the new processes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplacementReason {
    /// A configuration that running processes cannot take up.
    Reload,
    /// Another binary.
    Upgrade,
    /// Somebody removed the registry's socket.
    LostSocket,
}

/// What new processes are started with, and where the next configuration will come from.
#[derive(Debug)]
pub(crate) struct ReplacementSpec {
    pub(crate) source: ConfigSource,
    pub(crate) config: Config,
    pub(crate) spec: ChildSpec,
}

/// A generation that is to take over, and what is in force with it.
#[derive(Debug)]
pub(crate) struct Replacement {
    generation: Generation,
    source: ConfigSource,
    config: Config,
    reason: ReplacementReason,
    /// Whether its registry's socket has its public name.
    is_published: bool,
}

impl Replacement {
    /// The one after `number`, to be started on `entrances`.
    pub(crate) fn new(
        home: &Home,
        number: u32,
        spec: ReplacementSpec,
        listeners: Vec<ListeningSocket>,
        reason: ReplacementReason,
    ) -> Result<Self, SocketError> {
        let now = Instant::now();
        let socket = registry_socket(home, &staged_path(home))?;
        let children = pair_of(listeners, socket, [RestartTracker::held(now), RestartTracker::new(now)]);
        Ok(Self {
            generation: Generation::new(number + 1, spec.spec, children),
            source: spec.source,
            config: spec.config,
            reason,
            is_published: false,
        })
    }

    pub(crate) fn generation(&mut self) -> &mut Generation {
        &mut self.generation
    }
}

/// The registry's listening socket, bound to `path`; people are told its public name.
pub(crate) fn registry_socket(home: &Home, path: &std::path::Path) -> Result<ListeningSocket, SocketError> {
    let address = lockgate_config::Address::Unix(home.registry_socket());
    Ok(ListeningSocket {
        name: REGISTRY_NAME.to_owned(),
        asked: address.clone(),
        address,
        descriptor: listen_unix(path)?.into(),
    })
}

/// Where the next registry listens until it is ready.
fn staged_path(home: &Home) -> PathBuf {
    home.run().join("next.sock")
}

/// Where the present registry's socket is kept until the next pair has taken over.
fn backup_path(home: &Home) -> PathBuf {
    home.run().join("last.sock")
}

impl Supervisor {
    /// Goes on with a hand-over that has begun.
    pub(crate) fn hand_over_tick(&mut self, now: Instant) {
        let Some(next) = &mut self.next else { return };
        if next.generation.registry().tracker.is_ready() && !next.is_published {
            if let Err(error) = publish(&self.plan.home) {
                return self.abandon_hand_over(&format!("run/registry.sock cannot be replaced: {error}"));
            }
            next.is_published = true;
            next.generation.proxy().tracker.release(now);
        }
        if next.generation.is_ready() {
            self.complete_hand_over();
        }
    }

    fn complete_hand_over(&mut self) {
        let Some(next) = self.next.take() else { return };
        let _ = std::fs::remove_file(backup_path(&self.plan.home));
        self.plan.logging.reload(&next.config.log, &self.plan.home.log());
        let limit = next.config.http.hand_over_timeout;
        (self.plan.source, self.plan.config) = (next.source, next.config);
        let mut previous = std::mem::replace(&mut self.current, next.generation);
        self.plan.url = self.public_url().to_string();
        tracing::info!(
            generation = self.current.number,
            finish_within_s = limit.as_secs(),
            "new processes serve; the old ones finish their requests"
        );
        previous.begin_drain(Signal::SIGUSR2, limit);
        self.leaving.push(previous);
        match next.reason {
            ReplacementReason::Reload => self.reload_error = None,
            ReplacementReason::Upgrade => self.upgrade_error = None,
            ReplacementReason::LostSocket => {}
        }
        self.record_served();
        self.plan.manager.send("READY=1\nSTATUS=serving");
        self.reload_if_asked_meanwhile();
    }

    /// Gives up a hand-over that has begun, if one has: the old processes go on.
    pub(crate) fn abandon_hand_over(&mut self, reason: &str) {
        let Some(next) = self.next.take() else { return };
        tracing::error!("the old processes go on, the new ones did not become ready: {reason}");
        let error = format!("the new processes did not become ready: {reason}");
        match next.reason {
            ReplacementReason::Reload => self.reload_error = Some(error),
            ReplacementReason::Upgrade => self.upgrade_error = Some(error),
            ReplacementReason::LostSocket => self.restore.failed(error),
        }
        self.discard(next);
        self.plan.renewal.reload(&self.plan.config);
        self.plan.acme.reload(&self.plan.config);
        if let Some(copies) = &mut self.plan.copies {
            copies.go_back_to(&self.plan.config);
        }
        self.plan.manager.send("READY=1\nSTATUS=serving");
        self.reload_if_asked_meanwhile();
    }

    /// The end was asked for: new processes are not needed any more.
    pub(crate) fn cancel_hand_over(&mut self) {
        if let Some(next) = self.next.take() {
            self.discard(next);
        }
    }

    fn discard(&mut self, mut next: Replacement) {
        if next.is_published
            && let Err(error) = std::fs::rename(backup_path(&self.plan.home), self.plan.home.registry_socket())
        {
            tracing::error!("run/registry.sock cannot be put back: {error}");
        }
        let _ = std::fs::remove_file(staged_path(&self.plan.home));
        next.generation.kill();
        self.leaving.push(next.generation);
    }

    /// How clients reach what is in force.
    pub(crate) fn public_url(&self) -> PublicUrl {
        let listened = self.current_address();
        PublicUrl::of(&self.plan.config, self.plan.renewal.hosts(), &listened)
    }

    pub(crate) fn current_address(&self) -> lockgate_config::Address {
        let public = self.current.children[0].sockets.first();
        public.map_or_else(|| self.plan.config.http.addr.clone(), |socket| socket.address.clone())
    }
}

/// From now on the public name leads to the new registry; the old socket keeps a name as well, to go back to.
fn publish(home: &Home) -> std::io::Result<()> {
    let (public, kept) = (home.registry_socket(), backup_path(home));
    remove_stale(&kept)?;
    match std::fs::hard_link(&public, &kept) {
        // Somebody removed it: then there is nothing to go back to.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::rename(staged_path(home), public)
}
