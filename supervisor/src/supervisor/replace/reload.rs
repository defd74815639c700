//! A new configuration for what is running; a mistake in it leaves the old one in force.

use lockgate_config::Config;

use super::replacement::{Replacement, ReplacementReason, ReplacementSpec};
use super::upgrade::ENDING;
use crate::certificates::copies::localized;
use crate::configuration::listeners::Listeners;
use crate::configuration::source::{LoadedConfig, explain};
use crate::role::Pair;
use crate::sandbox::Rules;
use crate::setup::data_dir;
use crate::setup::home_record::History;
use crate::setup::missing::{self, Locations};
use crate::setup::ownership;
use crate::supervisor::child_process::ChildSpec;
use crate::supervisor::control::Reloaded;
use crate::supervisor::phase::Phase;
use crate::supervisor::state::Supervisor;

impl Supervisor {
    /// Reads the file again. Children are given it only when it holds no mistake.
    pub(in crate::supervisor) fn reload(&mut self) -> Reloaded {
        if self.is_ending() {
            return Reloaded {
                is_ending: true,
                ..refused(vec![ENDING.to_owned()])
            };
        }
        self.config_file.taken_up();
        // An upgrade state holds no processes that are being started, and a binary that is asked may take over any moment.
        if self.is_changing() || self.upgrade_check.is_some() {
            self.reload_again = true;
            let message = if matches!(self.phase, Phase::Applying { .. }) {
                "the file is being taken up: it is read again as soon as that is over"
            } else {
                "processes are being replaced: the file is read again as soon as that is over"
            };
            tracing::info!("{message}");
            return Reloaded {
                done: true,
                messages: vec![message.to_owned()],
                ..Reloaded::default()
            };
        }
        self.manager.send_reloading();
        let reloaded = self.try_reload();
        if reloaded.done {
            self.acme.try_again();
        } else {
            for message in &reloaded.messages {
                tracing::error!("the old configuration goes on: {message}");
            }
        }
        self.reload_error = (!reloaded.done).then(|| reloaded.messages.join("\n"));
        if !self.is_changing() {
            self.manager.send("READY=1");
        }
        reloaded
    }

    /// Does what was asked for while processes were being replaced.
    pub(in crate::supervisor) fn reload_if_asked_meanwhile(&mut self) {
        if std::mem::take(&mut self.reload_again) {
            self.reload();
        }
    }

    fn try_reload(&mut self) -> Reloaded {
        let loaded = match self.source.load() {
            Ok(loaded) => loaded,
            Err(error) => return refused(explain(&error)),
        };
        // A running instance has served: files that are missing are a mistake, and are not made.
        let home = &self.home;
        let locations = Locations {
            home,
            config: Some(self.source.path()).filter(|path| **path != home.config_file()),
        };
        if let Err(absent) = missing::files(&History::of(home).of_running(), &loaded.config, locations) {
            return refused(vec![absent.to_string()]);
        }
        let mut messages: Vec<_> = loaded.config.warnings.iter().map(ToString::to_string).collect();
        if loaded.config.process != self.config.process {
            messages.push("process: a change of users takes effect after a stop and a start".to_owned());
        }
        let rules = self.rules(&loaded.config);
        let mut needed_by = needs_new_processes(&self.config, &loaded.config);
        if needed_by.is_empty() && rules != self.current.spec.rules {
            needed_by.push("the directories of files that config.yml names");
        }
        let taken_up = if needed_by.is_empty() {
            self.apply(loaded)
        } else {
            self.replace(loaded, rules)
        };
        if let Err(reason) = taken_up {
            return refused(vec![reason]);
        }
        messages.iter().for_each(|message| tracing::warn!("{message}"));
        if !needed_by.is_empty() {
            let message = format!("new processes take over, since this changed: {}", needed_by.join(", "));
            tracing::info!("{message}");
            messages.push(message);
        }
        Reloaded {
            done: true,
            messages,
            ..Reloaded::default()
        }
    }

    /// Copies the certificates that `config` names for the proxy: all of them, or none.
    pub(in crate::supervisor) fn update_copies(&mut self, config: &Config) -> Result<(), String> {
        match &mut self.copies {
            Some(copies) => copies.follow(config).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Starts new processes with another configuration.
    fn replace(&mut self, loaded: LoadedConfig, rules: Pair<Rules>) -> Result<(), String> {
        let users = self.current.spec.users.as_ref();
        data_dir::create(&loaded.config.storage.root, users.map(|users| &users.registry))
            .map_err(|error| error.to_string())?;
        if let Some(users) = users {
            ownership::create_log_directory(&loaded.config, users).map_err(|error| error.to_string())?;
        }
        let listeners =
            Listeners::open(&loaded.config.http, &self.current.sockets()).map_err(|error| error.to_string())?;
        let child_spec = ChildSpec {
            configuration: loaded.text,
            rules,
            ..self.current.spec.clone()
        };
        let config = loaded.config.clone();
        let spec = ReplacementSpec {
            source: self.source.clone(),
            config: loaded.config,
            child_spec,
        };
        let number = self.current.number;
        let replacement = Replacement::new(&self.home, number, spec, listeners, ReplacementReason::Reload);
        self.phase = Phase::Replacing(Box::new(replacement.map_err(|error| error.to_string())?));
        if let Err(error) = self.update_copies(&config) {
            self.cancel_hand_over();
            return Err(error);
        }
        self.renewal.reload(&config);
        self.acme.reload(&config);
        Ok(())
    }

    /// What children with `config` are confined to.
    pub(in crate::supervisor) fn rules(&self, config: &Config) -> Pair<Rules> {
        Rules::of_both(&localized(config, self.copies.as_ref()), &self.home)
    }
}

fn refused(messages: Vec<String>) -> Reloaded {
    Reloaded {
        messages,
        ..Reloaded::default()
    }
}

/// The keys that differ and that a running process cannot take up: sockets it has open, directories it is confined to,
/// tasks it began with.
fn needs_new_processes(old: &Config, new: &Config) -> Vec<&'static str> {
    let (http, storage) = ((&old.http, &new.http), (&old.storage, &new.storage));
    let differs = [
        ("http.addr", http.0.addr != http.1.addr),
        ("http.redirecthttps", http.0.redirect_https != http.1.redirect_https),
        ("http.debug", http.0.debug != http.1.debug),
        ("http.tls", http.0.tls.is_some() != http.1.tls.is_some()),
        ("http.docroot", http.0.docroot != http.1.docroot),
        ("http.draintimeout", http.0.drain_timeout != http.1.drain_timeout),
        (
            "http.handovertimeout",
            http.0.hand_over_timeout != http.1.hand_over_timeout,
        ),
        // Pingora fixes it for h2 when it starts.
        (
            "http.limits.idletimeout",
            http.0.limits.idle_timeout != http.1.limits.idle_timeout,
        ),
        ("storage.filesystem.rootdirectory", storage.0.root != storage.1.root),
        (
            "storage.filesystem.maxthreads",
            storage.0.max_threads != storage.1.max_threads,
        ),
        (
            "storage.maintenance.uploadpurging",
            storage.0.upload_purging != storage.1.upload_purging,
        ),
        ("health", old.health != new.health),
    ];
    differs
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}
